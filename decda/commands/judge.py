"""`decda judge`: says which of several runs to use, without classes."""

import json
from pathlib import Path

import click

from decda.commands.options import FOLDER, choose_parts, open_registry
from decda.core.process.allocator import keep_freed_memory
from decda.core.process.stdout import stdout_to_stderr


@click.command()
@click.argument("runs", type=FOLDER, nargs=-1, required=True, metavar="RUN...")
@click.option("--data-root", type=FOLDER, metavar="DIR", help="Folder of the data files.")
@click.option("--threads", type=click.IntRange(1, 256), metavar="N", help="Threads on a CPU.  [default: cores]")
@click.option("--offline", is_flag=True, help="Never use the network.")
@choose_parts
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def judge(
    runs: tuple[Path, ...],
    data_root: Path | None,
    threads: int | None,
    offline: bool,
    load: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Say which of several runs to use, without classes.

    Compares how well their clusters keep images together that look alike. All of them must be of the same images. The
    folder of the run to use goes to stdout, the comparison to stderr.

    RUN is the folder of a finished run of `decda train`, or of several seeds. Nothing is changed.
    """
    from decda.core.process.threads import choose_threads, limit_spinning

    limit_spinning()
    keep_freed_memory()
    from decda.console.judging import print_judgement
    from decda.core.files import Files
    from decda.core.judging.judgement import judge as compare
    from decda.core.runs.inference import load_run
    from decda.core.studies.folders import find_runs

    with stdout_to_stderr():
        import torch

        torch.set_num_threads(choose_threads(threads))
        files = Files(data_root, offline=offline or None)
        registry = open_registry(load)
        found = find_runs(runs)
        runs_found = [load_run(path, registry, device="cpu") for path in found.folders]
        judgement = compare(runs_found, registry, files, unfinished=found.unfinished)
        print_judgement(judgement.as_mapping())
    if as_json:
        click.echo(json.dumps(judgement.as_mapping()))
    elif judgement.best is not None:
        click.echo(judgement.best.folder)
