"""The data set `arrays`: images or a table of one's own, from a file of numbers."""

import os
from pathlib import Path
from typing import Annotated, Literal

from decda.core.arrays import ArraySource, as_labels, read_array_file, read_label_file
from decda.core.contracts import ImageSource
from decda.core.errors import DataError


def arrays(
    input_shape: tuple[int, ...] | None,
    *,
    path: Annotated[Path, "the file: .npy, .npz, .csv, .tsv or .txt"],
    labels: Annotated[Path | None, "file of classes, for scoring only: .npy, or text with one per line"] = None,
    shape: Annotated[tuple[int, ...], "of the images that rows were flattened from: 28,28; empty: a table"] = (),
    channels: Annotated[Literal["auto", "first", "last"], "where channels are; auto: told by the shape"] = "auto",
    scale: Annotated[str, "auto, none, minmax, standard (tables), or what values are divided by, as 255"] = "auto",
    center: Annotated[tuple[float, ...], "what minmax and standard subtract; empty: found out"] = (),
    spread: Annotated[tuple[float, ...], "what they divide by then; empty: found out"] = (),
) -> ImageSource:
    r"""Arrays: your own images or table, from a .npy, .npz or text file.

    Images are (N, H, W), (N, H, W, C) or (N, C, H, W), or rows (N, D) with their `shape`. Rows without one are a table,
    which is standardised and needs the encoder `fc` and an augmentation for tables. A .npy file is mapped, not read;
    nothing is ever unpickled. Of a .npz, the images are under `x`, `X`, `images`, `data` or the only key, and classes
    under `y` or `labels`. In a text file, the column `y`, `label`, `labels`, `class` or `target` holds the classes.

    Values: uint8, and floats in [0, 1], are taken as they are; for others, declare the `scale`.

    Returns:
        The images, uint8 or float32 (N, C, H, W), or the table (N, 1, 1, D); y int64 (N,) or None.

    Raises:
        DataError: a file is missing, damaged or of another kind, or something has to be declared.

    Example:
        >>> Path("table.csv").write_text("width,height,class\n1,10,a\n3,10,b\n")
        33
        >>> table = arrays(None, path=Path("table.csv"))
        >>> table.shape, table.y, table.read(0, 2)[0].flatten(1).tolist()
        ((2, 1, 1, 2), tensor([0, 1]), [[-1.0, 0.0], [1.0, 0.0]])
    """
    where, labels_at = _absolute(path), None if labels is None else _absolute(labels)
    array, y = read_array_file(where)
    classes_at = where
    if labels_at is not None:
        y, classes_at = read_label_file(labels_at), labels_at
    try:
        source = ArraySource(
            array,
            input_shape=input_shape,
            shape=shape,
            channels=channels,
            scale=scale,
            center=center,
            spread=spread,
            settings={"path": where, "labels": labels_at},
        )
    except DataError as error:
        raise DataError(f"{where}: {error}", parameter=error.parameter) from error
    try:
        source.y = None if y is None else as_labels(y, source.shape[0])
    except DataError as error:
        raise DataError(f"{classes_at}: {error}", parameter=error.parameter) from error
    return source


arrays.recipe = "auto"  # type: ignore[attr-defined]


def _absolute(path: Path) -> Path:
    try:
        return Path(os.path.abspath(Path(path).expanduser()))
    except (RuntimeError, ValueError) as error:  # ~somebody; a null character
        raise DataError(f"The path {str(path)!r} cannot be resolved: {error}.") from error
