"""Files of predictions, written row by row as images are assigned, and published only when they are complete."""

import contextlib
import csv
import io
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from decda.core.atomic_files import explain_output, sync_folder
from decda.core.contracts import ImageSource
from decda.core.errors import ConfigError
from decda.core.events import Event, ignore
from decda.core.runs.naming import check_place, printable
from decda.core.runs.prediction import Predicted, Prediction
from decda.core.runs.run import Run

SCHEMA_VERSION = 1
COLUMNS = ("index", "name", "label", "confidence", "distance")


@dataclass(frozen=True)
class PredictionResult:
    """What a prediction came to.

    Attributes:
        run: the folder of the run that made it.
        path: of the images.
        sizes: number of images in each cluster.
        skipped: name and reason of each image that cannot be read.
        out: the file with the labels, or None.
        embeddings: the file with the embeddings, or None.
        skipped_list: the file that lists the skipped images, or None.
    """

    run: Path
    path: Path
    sizes: Sequence[int]
    skipped: Sequence[tuple[str, str]]
    out: Path | None
    embeddings: Path | None
    skipped_list: Path | None

    def as_mapping(self) -> dict[str, Any]:
        """What `decda predict --json` prints, without the rows that are in no file."""
        return {
            "schema_version": SCHEMA_VERSION,
            "run": str(self.run),
            "path": str(self.path),
            "n_samples": sum(self.sizes),
            "n_clusters": len(self.sizes),
            "sizes": list(self.sizes),
            "skipped": [list(pair) for pair in self.skipped],
            "out": None if self.out is None else str(self.out),
            "embeddings": None if self.embeddings is None else str(self.embeddings),
        }


def predict_to_files(
    run: Run,
    path: Path,
    source: ImageSource,
    *,
    out: Path | None = None,
    embeddings: Path | None = None,
    listen: Callable[[Predicted], None] | None = None,
    notify: Callable[[Event], None] = ignore,
) -> PredictionResult:
    """Assign all images of a source, and write labels and embeddings as they come.

    What the system stops or an error ends leaves no file. Beside labels, images that cannot be read are listed in a
    file of their own, see `skipped_path`.

    Args:
        run: a finished run.
        path: of the images, for the result.
        source: the images, from `open_source`.
        out: CSV file to write: a row for each image with the columns `COLUMNS`.
        embeddings: `.npy` file to write: float32 (N, D), row for row as `out`.
        listen: gets each part of the prediction.
        notify: as for `Prediction`.

    Returns:
        How many images each cluster got, and which could not be read.

    Raises:
        ConfigError: a file exists already.
        OutputError: a file cannot be written.
        DecdaError: as for `Prediction`.
    """
    check_outputs(out, embeddings)
    prediction = Prediction(run, source, notify=notify)
    listed = None
    with contextlib.ExitStack() as stack:
        # What is entered first is published last: whoever sees the labels sees everything.
        labels = stack.enter_context(published(out, "out")) if out is not None else None
        table = stack.enter_context(published(embeddings, "embeddings")) if embeddings is not None else None
        rows = None if labels is None else CsvRows(labels)
        matrix = None if table is None else NpyRows(table, source.shape[0], run.model.autoencoder.embedding_dim)
        for part in prediction:
            if listen is not None:
                listen(part)
            if rows is not None and out is not None:
                with explain_output(out):
                    rows.add(part)
            if matrix is not None and embeddings is not None:
                with explain_output(embeddings):
                    matrix.add(part.z)
        if matrix is not None:
            matrix.finish()
        if out is not None and prediction.skipped:
            listed = skipped_path(out)
            with published(listed, "out") as file, explain_output(listed):
                _csv_writer(file).writerows([("name", "reason"), *prediction.skipped])
    return PredictionResult(run.folder, path, prediction.sizes, prediction.skipped, out, embeddings, listed)


def skipped_path(out: Path) -> Path:
    """Where the images are listed that could not be read.

    Args:
        out: the file with the labels of the others.

    Returns:
        A file beside it.

    Example:
        >>> skipped_path(Path("new/labels.csv")).name
        'labels-skipped.csv'
    """
    return out.with_name(f"{out.stem}-skipped.csv")


def check_outputs(out: Path | None, embeddings: Path | None) -> None:
    """Refuse files that exist or cannot be written, before anything is loaded; changes nothing.

    Args:
        out: CSV file of the labels, or None.
        embeddings: `.npy` file of the embeddings, or None.

    Raises:
        ConfigError: one will not do.
    """
    if out is not None and embeddings is not None and out.absolute() == embeddings.absolute():
        raise ConfigError(
            f"Labels and embeddings cannot both be written to {printable(out)}. Name two files.", parameter="embeddings"
        )
    if out is not None:
        check_new_file(out, "out")
        check_new_file(skipped_path(out), "out")
    if embeddings is not None:
        check_new_file(embeddings, "embeddings")
        if embeddings.suffix != ".npy":
            raise ConfigError(
                f"Embeddings are written as .npy, and {printable(embeddings)} is none. Name a file that ends in .npy.",
                parameter="embeddings",
            )


def check_new_file(path: Path, parameter: str) -> None:
    """Refuse a file that exists or cannot be made; changes nothing.

    Args:
        path: of the file.
        parameter: which names it, for errors.

    Raises:
        ConfigError: it exists, or its name or place does not serve.
    """
    if os.path.lexists(path):
        raise ConfigError(
            f"{printable(path)} exists already. Name a file that does not exist; nothing was changed.",
            parameter=parameter,
        )
    try:
        check_place(path)
    except ConfigError as error:
        raise ConfigError(
            str(error).replace("Name another folder", "Name another file"), parameter=parameter
        ) from error


@contextlib.contextmanager
def published(path: Path, parameter: str) -> Iterator[BinaryIO]:
    """A new file that gets its name only if everything in the `with` block succeeds; else nothing is left of it.

    Args:
        path: its name.
        parameter: which names it, for errors.

    Yields:
        The file, open for writing and reading.

    Raises:
        ConfigError: there is a file of that name in the end.
        OutputError: it cannot be written.
    """
    partial = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.partial")
    with explain_output(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(partial, "xb+")  # noqa: SIM115  (closed below)
    try:
        yield file
        with explain_output(path):
            file.flush()
            os.fsync(file.fileno())  # else a crash could leave an empty file under the final name
            file.close()
            _rename(partial, path, parameter)
            sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):  # a full disk refuses once more what a buffer still holds
            file.close()
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _rename(partial: Path, path: Path, parameter: str) -> None:
    """Give a file its name, never that of an existing one."""
    taken = ConfigError(
        f"{printable(path)} exists now: another program has made it meanwhile. It was left as it is.",
        parameter=parameter,
    )
    try:
        os.link(partial, path)
    except FileExistsError as error:
        raise taken from error
    except OSError:  # the file system has no hard links
        if os.path.lexists(path):
            raise taken from None
        os.rename(partial, path)


class _Utf8:
    """A binary file that takes text; a name that is not UTF-8 is written with escapes."""

    def __init__(self, file: BinaryIO):
        self.file = file

    def write(self, text: str) -> int:
        return self.file.write(text.encode(errors="backslashreplace"))


def _csv_writer(file: BinaryIO) -> Any:
    return csv.writer(_Utf8(file), lineterminator="\n")


class CsvRows:
    """Rows of predictions as CSV.

    Args:
        file: where they go.
    """

    def __init__(self, file: BinaryIO):
        self._writer = _csv_writer(file)
        self._writer.writerow(COLUMNS)

    def add(self, part: Predicted) -> None:
        """Write a row for each image.

        Args:
            part: of the prediction.
        """
        numbers = zip(part.labels.tolist(), part.confidence.tolist(), part.distance.tolist(), strict=True)
        for row, (label, confidence, distance) in enumerate(numbers):
            name = "" if part.names is None else part.names[row]
            self._writer.writerow((part.start + row, name, label, f"{confidence:.6f}", f"{distance:.6g}"))


class NpyRows:
    """The rows of a float32 matrix as NumPy's `.npy`, of which the number is known at the end alone.

    Args:
        file: where they go.
        n: the most rows there will be.
        dim: numbers in a row.
    """

    def __init__(self, file: BinaryIO, n: int, dim: int):
        self.file, self.n, self.dim = file, n, dim
        self.rows = 0
        self._write_header(n)
        self._start = file.tell()

    def add(self, z: NDArray[np.float32]) -> None:
        """Append rows.

        Args:
            z: (M, D).
        """
        self.file.write(np.ascontiguousarray(z, dtype="<f4").data.cast("B"))
        self.rows += len(z)

    def finish(self) -> None:
        """Correct the number of rows, if there were fewer."""
        if self.rows != self.n:
            self.file.seek(0)
            self._write_header(self.rows)
            self.file.seek(0, io.SEEK_END)

    def _write_header(self, n: int) -> None:
        # NumPy pads its headers so that the first number of a shape can change in place.
        header = {"descr": "<f4", "fortran_order": False, "shape": (n, self.dim)}
        np.lib.format.write_array_header_1_0(self.file, header)
