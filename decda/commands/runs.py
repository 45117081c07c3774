"""`decda runs`: lists the runs in a folder."""

import json
import time
from pathlib import Path

import click

from decda.commands.options import FOLDER
from decda.core.runs.naming import RUNS


@click.command()
@click.argument("folder", metavar="[DIR]", type=FOLDER, default=RUNS, required=False)
@click.option("--all", "every_seed", is_flag=True, help="List each of several seeds, too.")
@click.option("--verbose", is_flag=True, help="Say why runs have not finished, or cannot be read.")
@click.option("--json", "as_json", is_flag=True, help="Print as one JSON object.")
def runs(folder: Path, every_seed: bool, verbose: bool, as_json: bool) -> None:
    """List the runs in a folder, newest first.

    DIR is a folder that runs are in, by default `runs`; or a folder of several seeds, each of which is listed then.

    Several seeds of one composition are one row, with the means of their scores. A run that has `started` is going on,
    or was killed; one that is `damaged` has files that make no sense. Only small files are read, and nothing is
    changed.
    """
    from decda.core.studies.listing import list_runs

    listing, now = list_runs(folder), time.time()
    if as_json:
        found = listing.every_run() if every_seed else listing.runs
        click.echo(json.dumps({"schema_version": 1, "runs": [run.as_mapping(now) for run in found]}))
        return
    from decda.console.runs import print_runs

    print_runs(listing, now, every_seed=every_seed, verbose=verbose)
