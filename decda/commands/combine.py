"""`decda combine`: labels that several runs of the same images agree on."""

import json
from pathlib import Path

import click

from decda.commands.options import FOLDER, PATH, choose_parts, open_registry
from decda.core.process.interrupts import Interrupts
from decda.core.process.stdout import stdout_to_stderr


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=FOLDER)
@click.option(
    "--n-clusters",
    type=click.IntRange(min=1),
    metavar="N",
    help="Most clusters of the consensus.  [default: as many as most runs use]",
)
@click.option("--out", type=PATH, metavar="DIR", help="Folder to make; must not exist.  [default: a new one in runs/]")
@click.option("--data-root", type=FOLDER, metavar="DIR", help="Folder of the data files, for scores.")
@click.option("--offline", is_flag=True, help="Never use the network.")
@choose_parts
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def combine(
    runs: tuple[Path, ...],
    n_clusters: int | None,
    out: Path | None,
    data_root: Path | None,
    offline: bool,
    load: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Find the labels that several runs agree on.

    Each RUN is the folder of a finished run of `decda train`, or a folder of several seeds (`decda train --seeds`),
    which stands for all of them. All must have been trained on the same images; none is changed.

    Each run numbers its clusters arbitrarily, so runs are aligned before they vote on the cluster of each image. The
    new folder holds labels.csv, in which the confidence is the share of runs that voted for the label, and
    summary.json. Where the images have classes, the consensus and each run are scored.

    Training can start from these labels: decda train --start labels --set start.path=DIR
    """
    from decda.core.process.threads import limit_spinning

    limit_spinning()
    from decda.console import ImagesDisplay
    from decda.console.combining import print_combined
    from decda.core.consensus.combining import combine as combine_folders
    from decda.core.files import Files
    from decda.core.studies.folders import find_runs

    with Interrupts(["SIGINT", "SIGTERM"]), stdout_to_stderr():
        registry = open_registry(load)
        named = find_runs(runs)
        count = len(named.folders)
        with ImagesDisplay(f"the consensus of {count} run{'' if count == 1 else 's'}") as display:
            files = Files(data_root, offline=offline or None, notify=display)
            found = combine_folders(
                named.folders, registry, files, n_clusters=n_clusters, out=out, unfinished=named.unfinished
            )
        print_combined(found.as_mapping())
    click.echo(json.dumps(found.as_mapping()) if as_json else found.folder)
