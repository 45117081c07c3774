"""The process of one run: `python -m decda.core.execution.worker`.

It reads a job from stdin, a line of JSON, and writes events and the outcome to stdout, a line each. Whatever else is
written, by Python or below it, goes to stderr. When stdin ends, whoever started the process is gone: the run is saved
and ends.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import IO

from decda.core.events import BatchEnded, Event, Progress
from decda.core.execution.messages import Failed, Finished, Message, Outcome
from decda.core.execution.processes import SAVE_TIMEOUT
from decda.core.execution.protocol import WorkerJob, as_line
from decda.core.process.allocator import keep_freed_memory
from decda.core.process.interrupts import Interrupted, Interrupts
from decda.core.process.threads import limit_spinning

EVENT_SECONDS = 0.2
"""Between two events that only displays need."""


class Reporter:
    """A listener that writes events as lines of JSON.

    Args:
        stream: that the starting process reads.
        interrupts: notes SIGTERM.
    """

    def __init__(self, stream: IO[str], interrupts: Interrupts):
        self.stream = stream
        self.interrupts = interrupts
        self._next = 0.0

    def __call__(self, event: Event) -> None:
        """Report an event; those that only displays need, a few times a second."""
        if isinstance(event, BatchEnded) or (isinstance(event, Progress) and not event.terms):
            if time.monotonic() < self._next:
                return
            self._next = time.monotonic() + EVENT_SECONDS
        self.send(event)

    def send(self, message: Message) -> None:
        """Write a message.

        Args:
            message: an event or the outcome.
        """
        line = as_line(message)
        if line is None:
            return
        try:
            self.stream.write(line)
            self.stream.flush()
        except BrokenPipeError:  # the starting process was killed; the run is saved and ends
            self.interrupts.pending = "SIGTERM"


def end_with(pipe: int, interrupts: Interrupts) -> None:
    """Have the run saved when a pipe is closed, and end the process if that takes too long.

    A run may be at something of minutes, such as its start, while another worker already waits for its folder.

    Args:
        pipe: a file descriptor, from the starting process.
        interrupts: notes SIGTERM.
    """

    def watch() -> None:
        while os.read(pipe, 1):  # not a file object, whose lock would be held when the interpreter ends
            pass
        interrupts.pending = "SIGTERM"
        time.sleep(SAVE_TIMEOUT)
        os._exit(1)  # like SIGKILL, which loses nothing that was saved

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Make the run that stdin describes."""
    for name in ("SIGINT", "SIGUSR1"):  # these are the business of the starting process
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")  # not inherited by processes that a part starts
    os.dup2(2, 1)
    home = os.fdopen(os.dup(0), encoding="utf-8")
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)  # for parts that read from stdin, or start what does
    job = WorkerJob.from_line(home.readline())
    limit_spinning()  # these two before torch is loaded
    keep_freed_memory()
    with contextlib.redirect_stdout(sys.stderr):
        import torch

        torch.set_num_threads(job.threads)
        try:
            with Interrupts(["SIGTERM"]) as interrupts:
                end_with(home.fileno(), interrupts)
                reporter = Reporter(messages, interrupts)
                reporter.send(_outcome(job, reporter))
        except Interrupted as error:
            sys.exit(error.exit_code)
    messages.close()


def _outcome(job: WorkerJob, notify: Reporter) -> Outcome:
    from decda.core.config.composition import compose
    from decda.core.execution.agreement import check_parts, check_torch, load_expected_images
    from decda.core.files import Files
    from decda.core.parts.loading import load_file
    from decda.core.parts.registry import Registry
    from decda.core.runs.experiment import run

    try:
        root = None if job.data_root is None else Path(job.data_root)
        files = Files(root, offline=job.offline, notify=notify)
        registry = Registry.discover()
        for path in job.load:
            load_file(registry, Path(path))
        images = None
        if job.expected is not None:
            check_parts(job.expected, registry)  # before a name that is missing here is an error of the configuration
            check_torch(job.expected)
        config = replace(compose(registry, config=job.config), recipe=job.recipe)
        if job.expected is not None:
            images = load_expected_images(job.expected, config, registry, files)
        done = run(
            config, registry, files,
            images=images, out=Path(job.out), notify=notify, listen=job.listen, resume=True,
            checkpoint_every=job.checkpoint_every, interrupts=notify.interrupts,
        )  # fmt: skip
        return Finished.from_run(done)
    except Exception as error:
        return Failed.from_error(int(job.config["seed"]), error)


if __name__ == "__main__":
    main()
