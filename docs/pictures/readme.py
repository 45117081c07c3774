"""The pictures of README.md: the terminal after the first command, and the report of its run."""

import sys
import tempfile
from pathlib import Path

from browser import photograph
from terminal import draw, last_screen, record

COMMAND = "decda train --encoder conv --head idec --augment affine"


def make_pictures(folder: Path) -> None:
    """Run the first command of README.md, and picture what it shows.

    Args:
        folder: of the pictures.
    """
    with tempfile.TemporaryDirectory() as work:
        written = record([sys.executable, "-m", *COMMAND.split()], Path(work))
        draw(COMMAND, last_screen(written), folder / "first-run.svg")
        (report,) = Path(work).glob("runs/*/report.html")
        photograph(
            report,
            [("body", "#verdict > p:last-of-type"), ("#map > h2", "#map .maps"), ("#cluster-0", "#cluster-2")],
            folder / "report.webp",
            width=1280,
        )
