"""The data set `usps`, read from the text files distributed with "The Elements of Statistical Learning"."""

import hashlib
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray

from decda.core.contracts import ImageSet
from decda.core.errors import DataError
from decda.core.files import Files

SIDE = 16
N_NUMBERS = 1 + SIDE * SIDE
"""Numbers of a line: the label and the values."""
MAX_BYTES = 2**26
"""Several times what the published files hold; the same values may be written with more digits."""
MAX_LINE = 2**14
"""Most characters of a line, which is some sixty for each number."""
MIRRORS = (
    "https://hastie.su.domains/ElemStatLearn/datasets/",
    "https://web.stanford.edu/~hastie/ElemStatLearn/datasets/",
)
FINGERPRINTS = {  # of the values, because the same values are distributed in files with different bytes
    "zip.train.gz": "5064da9c16b8c7840936e7d69f60e3175e733290efe8b1172c8bf39ba2011e66",
    "zip.test.gz": "ac89e85421025fc3818e18d98d28fcf53345017bcaadc162276b89ae7e8d4673",
}


def usps(files: Files) -> ImageSet:
    """USPS: 9,298 handwritten digits from envelopes, 16x16, training split followed by test split.

    The stored values v in [-1, 1] become (v + 1) / 2.

    Args:
        files: finds or downloads the two published files.

    Returns:
        x float32 (9298, 1, 16, 16) in [0, 1]; y int64 (9298,), 0 to 9.

    Raises:
        DataError: a file is missing and cannot be downloaded, or its content is not the published one.

    Reference:
        LeCun et al.: Handwritten Digit Recognition with a Back-Propagation Network, NIPS 1989; as distributed with
        Hastie, Tibshirani, Friedman: The Elements of Statistical Learning, 2001.
    """
    contents = (
        files.get(
            f"usps/{file}",
            urls=[mirror + file for mirror in MIRRORS],
            sha256=expected,
            fingerprint=fingerprint,
            max_bytes=MAX_BYTES,
        )
        for file, expected in FINGERPRINTS.items()
    )
    return to_images(np.concatenate([parse_rows(content) for content in contents]))


def to_images(rows: NDArray[np.float32]) -> ImageSet:
    """Turn parsed rows into images.

    Args:
        rows: (N, 257), the label, then 256 values in [-1, 1].

    Returns:
        x float32 (N, 1, 16, 16) in [0, 1]; y int64 (N,).
    """
    values = torch.from_numpy(rows)
    return ImageSet((values[:, 1:].reshape(-1, 1, SIDE, SIDE) + 1) / 2, values[:, 0].long())


def fingerprint(content: bytes) -> str:
    """Hash labels and values, independent of how the text writes the numbers.

    Args:
        content: the text of a file, decompressed.

    Returns:
        SHA-256 of the numbers as little-endian float32, in hexadecimal.

    Raises:
        DataError: the content is not such a text.
    """
    return hashlib.sha256(parse_rows(content).astype("<f4").tobytes()).hexdigest()


def parse_rows(content: bytes) -> NDArray[np.float32]:
    """Parse the text of a file, one digit per line.

    Args:
        content: ASCII text, decompressed.

    Returns:
        float32 (N, 257): the label, 0 to 9, then 256 values in [-1, 1]; there is no negative zero.

    Raises:
        DataError: the content is not such a text.

    Example:
        >>> parse_rows(("3.0000 " + "-1.0000 " * 256).encode())[0, :3].tolist()
        [3.0, -1.0, -1.0]
    """
    wanted = f"expected lines of a label 0..9 and {SIDE * SIDE} values in [-1, 1]"
    try:
        lines = _lines(content)
        first = next((line for line in lines if not line.isspace()), "")
        if len(first.split()) != N_NUMBERS:  # NumPy compares the others with it, and takes memory by its length
            raise ValueError(f"the first line holds {len(first.split())} numbers" if first else "the text is empty")
        rows = np.loadtxt(chain([first], lines), dtype=np.float32, comments=None, ndmin=2)
    except ValueError as error:
        raise DataError(f"USPS text: {wanted}; {str(error).partition(';')[0][:200]}") from error
    if not np.isin(rows[:, 0], np.arange(10)).all():
        raise DataError(f"USPS text: {wanted}; found labels from {rows[:, 0].min():g} to {rows[:, 0].max():g}")
    if not (np.abs(rows[:, 1:]) <= 1).all():  # written this way, the check rejects NaN, too
        raise DataError(f"USPS text: {wanted}; found values from {rows[:, 1:].min():g} to {rows[:, 1:].max():g}")
    rows += 0  # -0.0 becomes 0.0
    return rows


def _lines(content: bytes) -> Iterator[str]:
    """The lines of an ASCII text, one by one, none of which is very long."""
    for number, line in enumerate(TextIOWrapper(BytesIO(content), encoding="ascii"), 1):
        if len(line) > MAX_LINE:
            raise ValueError(f"line {number} has {len(line)} characters")
        yield line
