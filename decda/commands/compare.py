"""`decda compare`: several runs or studies side by side."""

import json
from pathlib import Path

import click

from decda.commands.options import FOLDER, PATH
from decda.core.process.stdout import stdout_to_stderr

ON_SCREEN = ("acc", "nmi", "ari", "neighbours", "smallest", "iterations", "seconds")
"""The figures for which 80 columns have room."""


@click.command()
@click.argument("runs", type=FOLDER, nargs=-1, required=True, metavar="RUN...")
@click.option("--out", type=PATH, metavar="FILE", help="Page to write, with curves; replaced if it exists.")
@click.option("--markdown", is_flag=True, help="Print the tables as Markdown.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def compare(runs: tuple[Path, ...], out: Path | None, markdown: bool, as_json: bool) -> None:
    """Compare several runs or studies.

    Shows their figures, with mean and standard deviation over seeds; how far their clusters agree; and the settings in
    which they differ. Labels are not needed: without them there are figures that need none.

    RUN is the folder of a finished run of `decda train`, or of several seeds, which count as one. A single folder of
    several seeds is compared seed by seed. Nothing is changed.
    """
    if markdown and as_json:
        raise click.UsageError("--markdown and --json both say what is printed. Leave out one of the two options.")
    from decda.console.comparing import print_comparison
    from decda.core.studies.comparing import as_markdown, as_tables
    from decda.core.studies.comparison import compare as compare_runs
    from decda.core.studies.comparison_page import page_of

    with stdout_to_stderr():
        found = compare_runs(runs)
        page = None if out is None else page_of(found, " and ".join(path.name for path in runs)).save(out)
        if not markdown:
            print_comparison(as_tables(found, ON_SCREEN))
    if as_json:
        click.echo(json.dumps({**found.as_mapping(), "page": None if page is None else str(page)}))
    elif markdown:
        click.echo(as_markdown(as_tables(found)), nl=False)
    elif page is not None:
        click.echo(str(page))
