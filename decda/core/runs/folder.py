"""The folder of a run: what is written into it, and how it is read back."""

import csv
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from decda.core.atomic_files import read_object, write_object, write_whole
from decda.core.config.run_config import RunConfig, read_toml
from decda.core.errors import ConfigError, DataError, InvalidParameter
from decda.core.events import Event, Progress, Refreshed, Scored

LOG_COLUMNS = ("phase", "step", "loss", "terms", "changed", "acc", "nmi", "ari")


class RunDir:
    """A new folder for one run. A listener: writes a row of `log.csv` for each epoch and each refresh.

    `config.toml` and `provenance.json` tell how to repeat the run; all else holds no time, path or name of the run, so
    that equal runs leave equal bytes.
    """

    def __init__(self, path: Path):
        self.path = path
        self._scores: Mapping[str, float | None] = {}
        with open(path / "log.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(LOG_COLUMNS)

    @classmethod
    def create(cls, out: Path | None, name: str, parent: Path = Path("runs")) -> "RunDir":
        """Make the folder: `out`, which must not exist, or `parent/name-1`, `-2`, ... whichever is free.

        Raises:
            ConfigError: `out` exists, or the folder cannot be made.
        """
        return cls(new_folder(out, name, parent))

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        if isinstance(event, Scored):
            self._scores = event.scores
        elif isinstance(event, Progress) and event.terms:
            self._row(event.phase, event.step, event.terms, None, {})
        elif isinstance(event, Refreshed):
            self._row("cluster", event.iteration, event.terms, event.changed, self._scores)

    def write_text(self, name: str, text: str) -> None:
        """Write a whole file, or leave what was there."""
        write_whole(self.path / name, text)

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        """Write a mapping as JSON."""
        write_object(self.path / name, values)

    def write_config(self, config: RunConfig) -> None:
        """Write `config.toml`; `--config` takes it back."""
        self.write_text("config.toml", config.as_toml())

    def write_weights(self, name: str, modules: Mapping[str, nn.Module]) -> None:
        """Write the states of modules into one safetensors file, each entry named `module.entry`.

        Copied one by one to the CPU: safetensors refuses tensors that share memory (tied weights) or are not
        contiguous (channels-last).
        """
        tensors = {
            f"{prefix}.{entry}": tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
            for prefix, module in modules.items()
            for entry, tensor in module.state_dict().items()
        }
        partial = self.path / f".{name}.partial"
        save_file(tensors, partial)
        os.replace(partial, self.path / name)

    def write_labels(self, labels: Tensor, confidence: Tensor, names: Sequence[str] | None) -> None:
        """Write `labels.csv`: index, name (empty where there is none), label, confidence."""
        partial = self.path / ".labels.csv.partial"
        # A file name that is not UTF-8 must not cost a finished training its labels.
        with open(partial, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("index", "name", "label", "confidence"))
            for index, (label, share) in enumerate(zip(labels.tolist(), confidence.tolist(), strict=True)):
                writer.writerow((index, "" if names is None else names[index], label, f"{share:.6f}"))
        os.replace(partial, self.path / "labels.csv")

    def _row(
        self,
        phase: str,
        step: int,
        terms: Mapping[str, Tensor],
        changed: float | None,
        scores: Mapping[str, float | None],
    ) -> None:
        values = {name: float(term) for name, term in terms.items()}
        row = [
            phase,
            step,
            f"{sum(values.values()):.6g}" if values else "",
            " ".join(f"{name}={value:.6g}" for name, value in values.items()),
            *("" if v is None else f"{v:.6f}" for v in (changed, *(scores.get(n) for n in LOG_COLUMNS[5:]))),
        ]
        with open(self.path / "log.csv", "a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(row)


def new_folder(out: Path | None, name: str, parent: Path = Path("runs")) -> Path:
    """Make a folder: `out`, which must not exist, or `parent/name-1`, `-2`, ... whichever is free.

    Raises:
        ConfigError: `out` exists, or the folder cannot be made.
    """
    name = folder_name(name)
    try:
        if out is not None:
            refuse_existing(out)
            out.parent.mkdir(parents=True, exist_ok=True)
            out.mkdir()
            return out
        parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            path = parent / f"{name}-{number}"
            try:
                path.mkdir()  # atomic: of two runs that start at once, one takes the next number
                return path
            except FileExistsError:
                number += 1
    except OSError as error:
        raise ConfigError(
            f"The folder of the run, {error.filename or out or parent}, cannot be made: {error.strerror or error}. "
            "Name another with --out."
        ) from error


def folder_name(text: str) -> str:
    """A text, fit for the name of a folder: a part's name may hold a slash."""
    return re.sub(r"[^\w.-]+", "-", text).strip(".-")


def refuse_existing(out: Path) -> None:
    """Raise ConfigError if there is something at that path, so that no run overwrites another.

    Raises:
        ConfigError: there is.
    """
    if os.path.lexists(out):
        raise ConfigError(f"--out {out} exists already. Name a folder that does not exist; nothing was changed.")


def read_run(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration (in the shape of the file) and the provenance of a finished or interrupted run.

    Raises:
        DataError: there is no run at that path, or its files are damaged.
    """
    if not (path / "config.toml").is_file():
        raise DataError(f"{path} is not the folder of a run: it has no config.toml.")
    provenance = read_object(path / "provenance.json")
    try:
        return read_toml(path / "config.toml"), provenance
    except InvalidParameter as error:  # here no mistake in words, but damage
        raise DataError(str(error)) from error


def read_weights(path: Path, modules: Mapping[str, nn.Module], owner: str = "this model") -> None:
    """Load a file of `write_weights` into modules of the same shapes, in place; none is changed if one does not fit.

    Args:
        path: the file.
        modules: by the name they were written with; what else the file holds is left alone.
        owner: what errors call the modules.

    Raises:
        DataError: the file is missing or damaged, or belongs to another model.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"The weights {path} cannot be read: {error}.") from error
    states = {
        prefix: {n.removeprefix(f"{prefix}."): t for n, t in tensors.items() if n.startswith(f"{prefix}.")}
        for prefix in modules
    }
    for prefix, module in modules.items():
        misfit = _misfit(states[prefix], module)
        if misfit:
            raise DataError(f"The weights {path} do not fit {owner}: {misfit}. They belong to another model.")
    for prefix, module in modules.items():
        module.load_state_dict(states[prefix])


def _misfit(state: Mapping[str, Tensor], module: nn.Module) -> str | None:
    """The first thing in which a state is not that of the module."""
    wanted = module.state_dict()
    for name, tensor in wanted.items():
        if name not in state:
            return f"'{name}' is missing"
        if state[name].shape != tensor.shape:
            return f"'{name}' has the shape {tuple(state[name].shape)}, {tuple(tensor.shape)} is wanted"
    extra = state.keys() - wanted.keys()
    return f"there is no place for '{min(extra)}'" if extra else None
