"""What makes several runs: processes of this machine, or an executor that has them made elsewhere."""

from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Any, Protocol

from decda.core.execution.messages import Job, Message, Outcome

Tell = Callable[[Message], None]
"""Takes the messages of one run, from any thread."""


class Engine(Protocol):
    """Makes runs, several at once.

    Attributes:
        slots: runs that it takes at a time; None: any number, of which it keeps some waiting by itself.
    """

    slots: int | None

    def submit(self, job: Job, tell: Tell) -> Future[Any]:
        """Have a run made.

        Args:
            job: the run.
            tell: gets its messages, but not its outcome.

        Returns:
            What is done when the run has ended, for `receive`.
        """

    def receive(self, job: Job, future: Future[Any]) -> Outcome | None:
        """What a run came to.

        Args:
            job: the run.
            future: from `submit`, done.

        Returns:
            The outcome. None: there is none yet; the run has to be submitted again.

        Raises:
            EngineError: the engine serves no longer.
        """

    def end(self, futures: Collection[Future[Any]]) -> None:
        """Have all runs save themselves and end, and wait for that as long as it may take; nothing is left running.

        Args:
            futures: those from `submit` that are not done; none if all went well.

        Raises:
            KeyboardInterrupt: a second Ctrl-C; the runs have ended all the same.
        """
