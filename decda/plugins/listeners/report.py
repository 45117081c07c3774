"""The listener `report`."""

from collections.abc import Callable
from pathlib import Path

from decda.core.events import Event, RunEnded

FILE = "report.html"
"""In the folder of the run."""


def report(folder: Path) -> Callable[[Event], None]:
    """A page to look at, report.html: verdict, map, clusters, curves.

    It costs seconds at the end of the run, and changes nothing else. `decda report` makes it again.

    Args:
        folder: of the run.

    Returns:
        The listener.
    """

    def listen(event: Event) -> None:
        if isinstance(event, RunEnded):
            event.run.report(event.images).save(folder / FILE)

    return listen
