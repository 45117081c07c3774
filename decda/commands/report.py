"""`decda report`: a page about a run."""

import json
from pathlib import Path

import click

from decda.commands.options import FOLDER, PATH, choose_parts, open_registry
from decda.commands.train import REPORT_FILE
from decda.core.process.allocator import keep_freed_memory
from decda.core.process.stdout import stdout_to_stderr


@click.command()
@click.argument("run", type=FOLDER)
@click.option("--images", type=PATH, metavar="PATH", help="Where the images of the run are now.")
@click.option(
    "--out", type=PATH, metavar="FILE", help="File to write; replaced if it exists.  [default: RUN/report.html]"
)
@click.option("--data-root", type=FOLDER, metavar="DIR", help="Folder of the data files.")
@click.option("--threads", type=click.IntRange(1, 256), metavar="N", help="Threads on a CPU.  [default: cores]")
@click.option("--offline", is_flag=True, help="Never use the network.")
@choose_parts
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def report(
    run: Path,
    images: Path | None,
    out: Path | None,
    data_root: Path | None,
    threads: int | None,
    offline: bool,
    load: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Write a page about a run.

    It says what the run came to and what speaks against it, and shows a map of the embedding, the members of each
    cluster, images between clusters, learning curves, reconstructions and augmented copies. The file needs no other
    and no network. Every run of `decda train` ends with such a page; this makes it again.

    RUN is the folder of a finished run; or of several seeds, which are compared.
    """
    from decda.core.process.threads import choose_threads, limit_spinning

    limit_spinning()
    keep_freed_memory()
    from decda.core.files import Files
    from decda.core.runs.inference import load_run
    from decda.core.runs.reporting import page_of
    from decda.core.studies.comparison import compare
    from decda.core.studies.comparison_page import page_of as page_of_seeds
    from decda.core.studies.seeds_plan import read_seeds

    with stdout_to_stderr():
        import torch

        torch.set_num_threads(choose_threads(threads))
        registry = open_registry(load)
        if read_seeds(run) is None:
            page = page_of(load_run(run, registry), images, registry, Files(data_root, offline=offline or None))
        else:
            page = page_of_seeds(compare([run]), run.name)
        path = page.save(run / REPORT_FILE if out is None else out)
    click.echo(json.dumps({"schema_version": 1, "run": str(run), "report": str(path)}) if as_json else str(path))
