"""`decda evaluate`: scores a trained model."""

import json
from pathlib import Path

import click

from decda.commands.options import FOLDER, choose_parts, open_registry
from decda.core.process.allocator import keep_freed_memory
from decda.core.process.stdout import stdout_to_stderr


@click.command()
@click.argument("run", type=FOLDER)
@click.option("--dataset", metavar="NAME", help="Score other images of the same shape.  [default: those of the run]")
@click.option("--data-root", type=FOLDER, metavar="DIR", help="Folder of the data files.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), help="Device to use.  [default: that of the run]"
)
@click.option("--threads", type=click.IntRange(1, 256), metavar="N", help="Threads on a CPU.  [default: cores]")
@click.option("--offline", is_flag=True, help="Never use the network.")
@click.option(
    "--set", "settings", multiple=True, metavar="dataset.PARAMETER=VALUE", help="One setting of the data set."
)
@choose_parts
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def evaluate(
    run: Path,
    dataset: str | None,
    data_root: Path | None,
    device: str | None,
    threads: int | None,
    offline: bool,
    settings: tuple[str, ...],
    load: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Score a trained model.

    Assigns images to its clusters and compares the clusters with the true classes.

    RUN is the folder of a finished run of `decda train`. It is not changed.
    """
    from decda.core.process.threads import choose_threads, limit_spinning

    limit_spinning()
    keep_freed_memory()
    from decda.console import print_evaluation
    from decda.core.files import Files
    from decda.core.runs.inference import evaluate as score

    with stdout_to_stderr():
        import torch

        torch.set_num_threads(choose_threads(threads))
        files = Files(data_root, offline=offline or None)
        registry = open_registry(load)
        found = score(run, registry, files, dataset=dataset, settings=settings, settings_origin="--set", device=device)
        print_evaluation(found.as_mapping(), found.sizes)
    if as_json:
        click.echo(json.dumps(found.as_mapping()))
