"""The places from which decda reads files that may come from elsewhere, each with a command that reads it."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DATA = ("--data-root", "data", "--offline")
MNIST = ("train", "--dataset", "mnist-test", *DATA)
USPS = ("train", "--dataset", "usps", *DATA)
EVALUATE = ("evaluate", "run")
RESUME = ("train", "--resume", "begun")


@dataclass(frozen=True)
class Place:
    """A file that decda reads.

    Attributes:
        path: of the file, below the working folder. In `run` there is a finished run, in `begun` an interrupted one
            with one checkpoint, in `data` nothing.
        words: the command line that reads it.
        exit_code: of the program, where the file is none that can be used.
    """

    path: str
    words: Sequence[str]
    exit_code: int = 3

    def __str__(self) -> str:
        """The name of a test: `"evaluate run/labels.csv"`."""
        return f"{self.words[0]} {self.path}"

    def put(self, folder: Path, runs: Mapping[str, Path]) -> Path:
        """Make room for the file, in a copy of the run that it or the command belongs to.

        Args:
            folder: the working folder.
            runs: the folders of runs, by the name they get.

        Returns:
            Where the file goes; nothing is there.
        """
        for name in runs.keys() & {Path(self.path).parts[0], *self.words}:
            shutil.copytree(runs[name], folder / name)
        path = folder / self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        return path


PLACES = (
    Place("mine.toml", ("train", "--config", "mine.toml"), exit_code=2),
    Place("run/config.toml", ("train", "--config", "run/config.toml"), exit_code=2),
    Place("mine.safetensors", ("train", "--encoder", "fc", "--autoencoder", "mine.safetensors")),
    Place("run/autoencoder.safetensors", ("train", "--encoder", "fc", "--autoencoder", "run")),
    Place("run/config.toml", EVALUATE),
    Place("run/provenance.json", EVALUATE),
    Place("run/model.safetensors", EVALUATE),
    Place("run/labels.csv", EVALUATE),
    Place("run/metrics.json", EVALUATE),
    Place("data/mnist/t10k-images-idx3-ubyte.gz", MNIST),
    Place("data/mnist/t10k-images-idx3-ubyte", MNIST),
    Place("data/usps/zip.train.gz", USPS),
    Place("data/usps/zip.train", USPS),
    Place("begun/config.toml", RESUME),
    *(
        Place(f"begun/checkpoints/00000001/{name}", RESUME, exit_code=6)
        for name in ("manifest.json", "state.json", "tensors.safetensors", "log.csv")
    ),
)
