"""Signals that ask this process to end: Ctrl-C, SIGTERM, and SIGUSR1, with which clusters warn of a time limit."""

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGUSR1": 75}
"""What the program exits with after a signal; 75 is what schedulers take for \"start me again\"."""


class Interrupted(KeyboardInterrupt):
    """A signal has asked this process to end.

    Args:
        name: of the signal, `"SIGINT"`.
        message: what users should know.
        folder: the folder to resume from, if there is one.

    Attributes:
        name: as given.
        folder: as given.
    """

    def __init__(self, name: str, message: str = "", folder: Path | None = None):
        super().__init__(message or f"Interrupted by {name}.")
        self.name = name
        self.folder = folder

    @property
    def exit_code(self) -> int:
        """What the program exits with."""
        return EXIT_CODES[self.name]


class Interrupts:
    """While it lasts, the given signals raise `Interrupted`; inside `deferred` they are only noted.

    A second Ctrl-C ends at once, whatever is deferred. Signals that are ignored, by nohup or in the background of a
    script, stay ignored. In another thread than the main one nothing happens: signals cannot be handled there.

    Args:
        names: of the signals; those that the system does not know are left out.

    Attributes:
        pending: the name of the signal that was noted, else None.

    Example:
        >>> with Interrupts(["SIGTERM"]) as interrupts, interrupts.deferred():
        ...     signal.raise_signal(signal.SIGTERM)
        ...     interrupts.pending
        'SIGTERM'
    """

    def __init__(self, names: Sequence[str] = ()):
        self.names = names
        self.pending: str | None = None
        self._deferring = self._presses = 0
        self._former: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            numbers = [getattr(signal, name) for name in self.names if hasattr(signal, name)]
            wanted = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
            self._former = {number: signal.signal(number, self._handle) for number in wanted}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._former.items():
            # None: the handler was not set by Python, which therefore cannot set it again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Signals are noted in `pending` instead of raised; whoever defers them must look there."""
        self._deferring += 1
        try:
            yield
        finally:
            self._deferring -= 1

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Signals are raised at the end; processes started in here never see Ctrl-C or SIGUSR1 sent to all of them.

        Raises:
            Interrupted: a signal came meanwhile.
        """
        with masked(), self.deferred():
            yield
        self.check()

    def check(self) -> None:
        """Raise the signal that was noted, if there is one.

        Raises:
            Interrupted: there is.
        """
        if self.pending is not None:
            raise Interrupted(self.pending)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        self._presses += name == "SIGINT"
        self.pending = self.pending or name
        if self._presses > 1 or not self._deferring:
            raise Interrupted(name)


@contextlib.contextmanager
def masked() -> Iterator[None]:
    """Threads and processes started in here never see Ctrl-C or SIGUSR1 sent to the whole group.

    Example:
        >>> with masked():
        ...     signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        True
    """
    masking = hasattr(signal, "pthread_sigmask")
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGUSR1}) if masking else ()
    try:
        yield
    finally:
        if masking:
            signal.pthread_sigmask(signal.SIG_SETMASK, former)
