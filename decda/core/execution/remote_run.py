"""One run on a worker of an engine: in its own folder where the file system is shared, else in one that goes home.

What is submitted to an executor is `make_run`, with texts and bytes alone. Importing this loads no torch.
"""

import contextlib
import json
import os
import socket
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from decda import __version__
from decda.core.atomic_files import read_json, write_json, write_text_atomically
from decda.core.errors import ConfigError, DecdaError, EngineError, FolderInUse
from decda.core.execution.messages import Failed, Message, Outcome, OutputLine
from decda.core.execution.parcels import Parcel, pack, unpack
from decda.core.execution.processes import Home, Order, run_in_process
from decda.core.execution.protocol import WorkerJob, as_line
from decda.core.regular_files import read_regular
from decda.core.runs.lock import FolderLock

LOCK_SECONDS = 90.0
"""How long a folder may be in use: the process of a worker that died needs a while to notice, to save and to end."""
TOKEN_SECONDS = 2.0
"""Between two looks at the file that says whether home still waits."""


class Worker(Home, Protocol):
    """The home of a run as its worker knows it.

    Attributes:
        name: of the worker, for messages.
        environment: variables that the process of a run gets.
    """

    name: str
    environment: Mapping[str, str]


class PlainWorker:
    """A worker of an executor about which nothing is known: messages of runs cannot be sent home.

    Attributes:
        name: of this process.
        environment: nothing.
    """

    def __init__(self) -> None:
        self.name = f"process {os.getpid()} on {socket.gethostname()}"
        self.environment: Mapping[str, str] = {}

    def tell(self, message: Message) -> None:
        """Write lines to where the output of the worker goes; events have no place here."""
        if isinstance(message, OutputLine):
            print(message.text, file=sys.stderr, flush=True)

    def order(self) -> Order | None:
        """Nothing is ordered this way; a shared file system says whether home still waits."""


class _Missing(Exception):
    """Something that the run needs is not on this worker, and has not been sent along."""


def make_run(words: str, parcel: Parcel | None = None, worker: Worker | None = None) -> dict[str, Any]:
    """Make the run that an engine submits.

    Args:
        words: from `errand`, JSON.
        parcel: what the run needs, for workers that have no file system in common with home. None: it is sent if it
            turns out to be needed.
        worker: where this is; None: in a process of which nothing is known.

    Returns:
        `missing`: whether the run could not be made without a parcel; `outcome`: a line of `protocol`, None if the run
        ended because it was told to; `folder`: its folder as a parcel, None if home has it already.
    """
    worker = worker or PlainWorker()
    tasks = json.loads(words)
    folder: dict[str, bytes] | None = None
    outcome: Outcome | None
    try:
        if tasks["decda"] != __version__:
            raise EngineError(
                f"decda is {__version__} here, and {tasks['decda']} at home. Install that one in the "
                f"Python of the worker: python -m pip install decda=={tasks['decda']}"
            )
        with tempfile.TemporaryDirectory(prefix="decda-", ignore_cleanup_errors=True) as scratch:
            outcome, folder = _Errand(tasks, parcel, worker, Path(scratch)).make()
    except _Missing:
        return {"missing": True, "outcome": None, "folder": None}
    except (DecdaError, OSError) as error:
        outcome = Failed.from_error(tasks["seed"], error)
    if isinstance(outcome, Failed):
        outcome = replace(outcome, error=f"On the worker {worker.name}: {outcome.error}")
    return {"missing": False, "outcome": None if outcome is None else as_line(outcome), "folder": folder}


def errand(job: WorkerJob, token: Path, inputs: Mapping[str, str]) -> str:
    """The words for `make_run`.

    Args:
        job: the run, its paths absolute.
        token: a file that is there as long as home waits; where it is seen, the file system is shared.
        inputs: the SHA-256 of each file that the run needs, by its path at home.

    Returns:
        A text.
    """
    words = {"decda": __version__, "seed": job.seed, "token": str(token), "inputs": inputs, "job": vars(job)}
    return json.dumps(words)


def name_input(path: str, digest: str) -> str:
    """The name in a parcel of a file that a run needs.

    Args:
        path: at home.
        digest: its SHA-256.

    Returns:
        A name.

    Example:
        >>> name_input("/elsewhere/parts.py", "0a1b")
        'inputs/0a1b/parts.py'
    """
    return f"inputs/{digest}/{Path(path).name}"


class _Errand:
    """A run that is made here for somebody elsewhere."""

    def __init__(self, tasks: Mapping[str, Any], parcel: Parcel | None, worker: Worker, scratch: Path):
        self.job = WorkerJob(**tasks["job"])
        self.inputs: Mapping[str, str] = tasks["inputs"]
        self.parcel = parcel
        self.scratch = scratch
        self.worker = worker
        self.token = Path(tasks["token"])
        self.shared = self.token.exists()
        self._look_again = 0.0

    def make(self) -> tuple[Outcome | None, dict[str, bytes] | None]:
        """The outcome, and the folder if home has to get it."""
        found = {path: self._find(path, digest) for path, digest in self.inputs.items()}
        place = Path(self.job.out)
        if self.shared:
            self._wait_for(place)
        else:
            place = self._arrange(place.name)
        config = dict(self.job.config)
        if "autoencoder" in config:
            config["autoencoder"] = found.get(config["autoencoder"], config["autoencoder"])
        root = self.job.data_root
        job = replace(
            self.job, config=config, out=str(place), load=[found.get(path, path) for path in self.job.load],
            data_root=root if root and Path(root).is_dir() else None,
        )  # fmt: skip
        hidden = {"CUDA_VISIBLE_DEVICES": ""} if (job.expected or {}).get("device") == "cpu" else {}
        outcome = run_in_process(job, self, {**self.worker.environment, **hidden})
        deadline = time.monotonic() + LOCK_SECONDS
        while isinstance(outcome, Failed) and outcome.in_use and time.monotonic() < deadline:
            # By a process that was still loading when its worker died, and took the folder after it had been looked at.
            self._wait_for(place)
            outcome = run_in_process(job, self, {**self.worker.environment, **hidden})
        if isinstance(outcome, Failed):
            outcome = replace(outcome, error=outcome.error.replace(str(place), self.job.out))
        if not self.shared or list(found) != list(found.values()):
            self._name_as_at_home(place)
        return outcome, None if self.shared else pack(place)

    def tell(self, message: Message) -> None:
        """Pass on a message."""
        self.worker.tell(message)

    def order(self) -> Order | None:
        """What the worker says; on a shared file system, also whether home still waits."""
        if self.shared and time.monotonic() >= self._look_again:
            self._look_again = time.monotonic() + TOKEN_SECONDS
            with contextlib.suppress(OSError):  # a file system that does not answer: home may well be there
                if not self.token.exists():
                    return "save"
        return self.worker.order()

    def _find(self, path: str, digest: str) -> str:
        """Where a file that the run needs is on this worker."""
        name = name_input(path, digest)
        with contextlib.suppress(OSError):  # there is none, or none that may be read
            if sha256(read_regular(Path(path))).hexdigest() == digest:
                return path
        if self.parcel is None:
            raise _Missing
        if name not in self.parcel:
            raise EngineError(f"{path} is not there, or is another file than at home.")
        place = self.scratch / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(self.parcel[name])
        return str(place)

    def _arrange(self, name: str) -> Path:
        """A folder here for a run, with what an earlier process has left of it at home."""
        if self.parcel is None:
            raise _Missing
        place = self.scratch / name
        begun = {path.removeprefix("run/"): data for path, data in self.parcel.items() if path.startswith("run/")}
        if begun:
            unpack(begun, place)
        return place

    def _wait_for(self, folder: Path) -> None:
        """Wait until no process uses a folder, such as that of a worker that died a moment ago."""
        deadline = time.monotonic() + LOCK_SECONDS
        while folder.is_dir():
            try:
                with FolderLock(folder):
                    return
            except ConfigError as error:
                # What else is wrong with it, the run will say.
                if not isinstance(error, FolderInUse) or self.order() is not None:
                    return
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.5)

    def _name_as_at_home(self, folder: Path) -> None:
        """Write the paths that files had at home into what the run recorded."""
        weights = self.job.config.get("autoencoder")
        if weights is not None and (folder / "config.toml").is_file():
            import tomli_w

            config = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
            write_text_atomically(folder / "config.toml", tomli_w.dumps({**config, "autoencoder": weights}))
        if (folder / "provenance.json").is_file():
            provenance = read_json(folder / "provenance.json")
            if weights is not None and "autoencoder" in provenance:
                provenance["autoencoder"]["path"] = weights
            if "loaded" in provenance:
                provenance["loaded"] = {path: self.inputs.get(path, "") for path in self.job.load}
            if "reason" in provenance:
                provenance["reason"] = str(provenance["reason"]).replace(str(folder), self.job.out)
            write_json(folder / "provenance.json", provenance)
