"""The listener `timer`."""

import time
from pathlib import Path
from typing import Annotated

from decda.core.events import Event, PhaseEnded, PhaseStarted

COLUMNS = "phase,steps,seconds,steps_per_second"
FILE = "timer.csv"


class Timer:
    """Writes how long each phase took, and how many steps it made in a second, to `timer.csv` in the folder of the run.

    A phase that an earlier process began has a row of its own for what was done from then on, if it was completed.

    Args:
        folder: of the run.

    Raises:
        ValueError: digits is not between 0 and 9.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     timer = Timer(Path(folder), digits=0)
        ...     timer(PhaseStarted("pretrain", 40))
        ...     timer(PhaseEnded("pretrain", 40, "completed"))
        ...     print((Path(folder) / FILE).read_text().splitlines()[0])
        phase,steps,seconds,steps_per_second
    """

    def __init__(self, folder: Path, *, digits: Annotated[int, "digits after the point, from 0 to 9"] = 2):
        if not 0 <= digits <= 9:
            raise ValueError(f"digits must be between 0 and 9, it is {digits}")
        self.file = folder / FILE
        self.digits = digits
        self.start = time.perf_counter()
        self.done = 0

    def __call__(self, event: Event) -> None:
        """Note when a phase starts, and add a row when it ends.

        Args:
            event: of the run.
        """
        if isinstance(event, PhaseStarted):
            self.start, self.done = time.perf_counter(), event.done
        elif isinstance(event, PhaseEnded):
            seconds = time.perf_counter() - self.start
            steps = event.steps - self.done
            speed = f"{steps / seconds:.{self.digits}f}" if seconds > 0 else ""
            self._add(f"{event.phase},{steps},{seconds:.{self.digits}f},{speed}")

    def _add(self, row: str) -> None:
        head = "" if self.file.exists() else f"{COLUMNS}\n"
        with self.file.open("a", encoding="utf-8") as file:
            file.write(f"{head}{row}\n")
