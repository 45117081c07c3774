"""Checkpoints of a run: its whole state, written so that a crash at any moment leaves one that is whole."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from decda.core.atomic_files import explain_output, sync_folder, write_and_sync
from decda.core.errors import UnusableCheckpoint
from decda.core.process.faults import fault_point
from decda.core.regular_files import read_regular

VERSION = 1
"""Of the format; other versions are not read."""
FOLDER = "checkpoints"
TENSORS, STATE, LOG, MANIFEST = "tensors.safetensors", "state.json", "log.csv", "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run at one moment.

    Attributes:
        state: nested mappings and sequences of tensors and of what JSON can hold.
        log: the bytes of `log.csv`.
    """

    state: Mapping[str, Any]
    log: bytes


class Checkpoints:
    """The last two checkpoints of a run, each a folder with its tensors, its other state, its log and a manifest.

    The manifest holds the version of the format and the sha256 of each file. A checkpoint is written under another
    name, flushed to the disk and then renamed; only then the oldest one is removed. Nothing in it is ever executed.

    Args:
        run: the folder of the run.

    Attributes:
        folder: that holds the checkpoints.
        rejected: the name of each damaged checkpoint that `read` found, with what is wrong with it.
    """

    def __init__(self, run: Path):
        self.folder = run / FOLDER
        self.rejected: dict[str, str] = {}
        self._newest: Path | None = None

    def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, and remove all but this one and the one before.

        Args:
            checkpoint: what is kept.

        Raises:
            OutputError: it cannot be written; the former ones stay.
        """
        tensors: dict[str, Tensor] = {}
        state = _take_out(checkpoint.state, "", tensors)
        files = {TENSORS: save(tensors), STATE: json.dumps(state).encode(), LOG: checkpoint.log}
        sums = {name: sha256(content).hexdigest() for name, content in files.items()}
        manifest = json.dumps({"version": VERSION, "sha256": sums}, indent=2) + "\n"
        with explain_output(self.folder):
            self.folder.mkdir(exist_ok=True)
            sync_folder(self.folder.parent)
            former = self._all()
            target = self.folder / f"{int(former[-1].name) + 1 if former else 1:08d}"
            partial = self.folder / ".partial"
            shutil.rmtree(partial, ignore_errors=True)  # left by a crash
            try:
                partial.mkdir()
                fault_point("checkpoint.begun")
                for name, content in (files | {MANIFEST: manifest.encode()}).items():
                    write_and_sync(partial / name, content)
                    fault_point(f"checkpoint.{name}")
                sync_folder(partial)
                os.replace(partial, target)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
            fault_point("checkpoint.renamed")
            sync_folder(self.folder)
        for path in former:
            if path != self._newest:  # the last that is known to be whole
                shutil.rmtree(path, ignore_errors=True)
                fault_point("checkpoint.removed")
        self._newest = target

    def read(self) -> Checkpoint | None:
        """Read the newest checkpoint that is whole.

        Returns:
            The checkpoint; None if none was ever written.

        Raises:
            UnusableCheckpoint: there are some, but none of them can be used.
        """
        for path in reversed(self._all()):
            try:
                checkpoint = _read(path)
            except (OSError, ValueError, SafetensorError, KeyError, TypeError, RecursionError) as error:
                self.rejected[path.name] = _describe(error)
            else:
                self._newest = path
                return checkpoint
        if self.rejected:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.rejected.items())
            raise UnusableCheckpoint(
                f"No checkpoint in {self.folder} can be used ({reasons}). Start a new run, which can start from the "
                f"pretrained autoencoder of this one if that is there; or remove {self.folder.parent} to have a study "
                "make it again."
            )
        return None

    def remove(self) -> None:
        """Remove all checkpoints: the run is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _all(self) -> list[Path]:
        """The folders of checkpoints, whole or not, the oldest first."""
        try:
            return sorted(path for path in self.folder.iterdir() if path.name.isdecimal())
        except (FileNotFoundError, NotADirectoryError):
            return []


def _read(path: Path) -> Checkpoint:
    """The checkpoint in a folder; whatever is wrong with it raises."""
    manifest = _parse(MANIFEST, read_regular(path / MANIFEST))
    if manifest["version"] != VERSION:
        raise ValueError(f"its format is version {manifest['version']!r}, and this decda reads version {VERSION}")
    contents = {}
    for name in (TENSORS, STATE, LOG):
        contents[name] = read_regular(path / name)
        if sha256(contents[name]).hexdigest() != manifest["sha256"][name]:
            raise ValueError(f"{name} is not what was written: its {len(contents[name])} bytes have a different sha256")
    tensors = load(contents[TENSORS])
    state = _put_back(_parse(STATE, contents[STATE]), tensors)
    if not isinstance(state, dict):
        raise TypeError(f"{STATE} is not a mapping")
    return Checkpoint(state, contents[LOG])


def _parse(name: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON: {error}") from error


def _describe(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"{Path(error.filename).name if error.filename else 'a file'} cannot be read: {error.strerror or error}"
    if isinstance(error, KeyError | TypeError):
        return f"an entry is missing or damaged: {error}"
    return str(error)


def _take_out(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Move the tensors of a nested value into a mapping; what remains is JSON, from which `_put_back` restores it.

    Mappings become lists of pairs, because the keys of an optimizer's state are numbers.
    """
    if isinstance(value, Tensor):
        # A copy, because safetensors refuses tensors that share memory; contiguous, because it knows no other layout.
        entry = f"{len(tensors)} {name}"  # numbered, because names may hold dots, too
        tensors[entry] = value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        return {"tensor": entry}
    if isinstance(value, Mapping):
        return {
            "pairs": [[key, _take_out(inner, f"{name}.{key}".lstrip("."), tensors)] for key, inner in value.items()]
        }
    if isinstance(value, list | tuple):
        return {"items": [_take_out(inner, f"{name}.{number}", tensors) for number, inner in enumerate(value)]}
    return value


def _put_back(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "pairs":
        return {key: _put_back(inner, tensors) for key, inner in content}
    if kind == "items":
        return [_put_back(inner, tensors) for inner in content]
    raise ValueError(f"{STATE} holds an entry of unknown kind {kind!r}")
