"""Any executor of `concurrent.futures` as an engine: Dask, MPI, a pool of processes. Importing this loads no torch."""

import concurrent.futures
import contextlib
import os
import secrets
from collections.abc import Callable, Collection
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from decda.core.atomic_files import explain_output
from decda.core.errors import EngineError, OutputError, in_a_line
from decda.core.execution.engine import Tell
from decda.core.execution.messages import Failed, Finished, Job, Outcome
from decda.core.execution.parcels import Parcel, pack, unpack
from decda.core.execution.processes import SAVE_TIMEOUT
from decda.core.execution.protocol import WorkerJob, from_line
from decda.core.execution.remote_run import errand, make_run, name_input
from decda.core.regular_files import read_regular

AUTOENCODER = "autoencoder.safetensors"
"""In the folder of a run; `weights` has it, too, and loads torch."""
END_SECONDS = SAVE_TIMEOUT + 5
"""How long runs elsewhere may take to save themselves and end."""


class ExecutorEngine:
    """Has runs made by an executor, which is the user's and stays open.

    Whether its workers share a file system with this process is found out: a token lies in the common folder while this
    process waits. Workers that see it work in the folders of the runs themselves, from the last checkpoint on, and
    save and end when it vanishes. For those that do not, what a run needs goes with it, and its folder comes home.

    Args:
        executor: makes the runs.
        words: makes what a process has to know of a run.
        folder: that holds the folders of all runs.
        slots: runs at a time; None: as the executor likes.
    """

    def __init__(self, executor: Executor, words: Callable[[Job], WorkerJob], folder: Path, *, slots: int | None):
        self.executor = executor
        self.words = words
        self.slots = slots
        self.carrying = False
        self._jobs: dict[Future[Any], Job] = {}
        self.token = folder.absolute() / f".engine-{secrets.token_hex(16)}"
        for left in self.token.parent.glob(".engine-*"):  # by a home that was killed, whose runs are to end
            left.unlink(missing_ok=True)
        with explain_output(self.token):
            self.token.touch()

    def submit(self, job: Job, tell: Tell) -> Future[Any]:
        """Hand a run over to the executor, with what it needs once a worker has turned out not to have it."""
        words = self.words(job)
        config = dict(words.config)
        files = [os.path.abspath(path) for path in words.load]
        inputs = [Path(path) for path in files]
        if job.config.autoencoder is not None:
            weights = job.config.autoencoder.absolute()
            weights = weights / AUTOENCODER if weights.is_dir() else weights
            config["autoencoder"] = str(weights)
            inputs.append(weights)
        words = replace(words, config=config, load=files, out=os.path.abspath(words.out))
        contents: dict[str, bytes] = {}
        for path in inputs:
            with contextlib.suppress(OSError):  # the worker says that it is missing
                contents[str(path)] = read_regular(path)
        digests = {path: sha256(content).hexdigest() for path, content in contents.items()}
        parcel: dict[str, bytes] | None = None
        if self.carrying:
            parcel = {name_input(path, digests[path]): content for path, content in contents.items()}
            parcel |= {f"run/{name}": content for name, content in pack(job.out).items()}
        try:
            future = self._submit(errand(words, self.token, digests), parcel, tell)
        except Exception as error:  # it was shut down, or has lost its workers
            raise EngineError(f"The engine takes no more runs ({in_a_line(error)}). {self.advice}") from error
        self._jobs[future] = job
        return future

    def receive(self, job: Job, future: Future[Any]) -> Outcome | None:
        """What the worker says, after its folder has been unpacked if it has sent one."""
        self._jobs.pop(future, None)  # or all results, and the folders in them, would be kept
        try:
            result = future.result()
        except (KeyboardInterrupt, SystemExit) as error:
            if not future.done() or future.exception() is not error:
                raise
            raise EngineError(f"A worker of the engine was interrupted. {self.advice}") from error
        except CancelledError as error:
            raise EngineError(f"The engine has given up its runs. {self.advice}") from error
        except concurrent.futures.BrokenExecutor as error:
            raise EngineError(f"The engine is broken ({in_a_line(error)}). {self.advice}") from error
        except Exception as error:
            return Failed(job.config.seed, self._explain(error), EngineError.exit_code)
        if result["missing"]:
            self.carrying = True
        if result["folder"]:
            try:
                unpack(result["folder"], job.out)
            except (EngineError, OutputError) as error:
                return Failed.from_error(job.config.seed, error)
        if result["outcome"] is None:
            return None
        outcome = from_line(result["outcome"])
        if isinstance(outcome, Finished):
            return replace(outcome, result={**outcome.result, "run": str(job.out)})
        assert isinstance(outcome, Failed)
        return outcome

    def end(self, futures: Collection[Future[Any]]) -> None:
        """Cancel what has not started, have the others save themselves as far as they can be told, and keep that."""
        self.token.unlink(missing_ok=True)
        ended, left = concurrent.futures.wait(self._stop(futures), END_SECONDS)
        for future in left:
            future.cancel()
        for future in ended:
            with contextlib.suppress(EngineError):  # what ends all is told, not what comes of it
                self.receive(self._jobs[future], future)

    @property
    def advice(self) -> str:
        """What to do when the engine serves no longer."""
        return "Start it again."

    def _stop(self, futures: Collection[Future[Any]]) -> list[Future[Any]]:
        """Cancel runs; returns those that are at work, which the token tells to end where it is seen."""
        return [future for future in futures if not future.cancel()]

    def _submit(self, words: str, parcel: Parcel | None, tell: Tell) -> Future[Any]:
        """Submit to the executor, which has no way for messages: of a run, its outcome alone is heard."""
        return self.executor.submit(make_run, words, parcel)

    def _explain(self, error: Exception) -> str:
        """Why a run has no result, though its worker did not say so itself."""
        if isinstance(error, ImportError | AttributeError) and "decda" in str(error):
            return (
                f"A worker cannot load decda ({in_a_line(error)}). Install there what is installed here, in the Python "
                "of the worker."
            )
        return f"The engine has lost the run ({in_a_line(error)})."
