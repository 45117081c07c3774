"""USPS digits, from the text files distributed with "The Elements of Statistical Learning"."""

import hashlib
from io import StringIO

import numpy as np
import torch
from numpy.typing import NDArray

from decda.core.contracts import ImageSet
from decda.core.errors import DataError
from decda.core.files import Files

SIDE = 16
MIRRORS = (
    "https://hastie.su.domains/ElemStatLearn/datasets/",
    "https://web.stanford.edu/~hastie/ElemStatLearn/datasets/",
)
FINGERPRINTS = {  # of the values: the same values are distributed in different bytes
    "zip.train.gz": "5064da9c16b8c7840936e7d69f60e3175e733290efe8b1172c8bf39ba2011e66",
    "zip.test.gz": "ac89e85421025fc3818e18d98d28fcf53345017bcaadc162276b89ae7e8d4673",
}


def usps(files: Files) -> ImageSet:
    """USPS: 9,298 handwritten digits from envelopes, 16x16, train followed by test.

    The stored values v in [-1, 1] become (v + 1) / 2.

    Returns:
        x float32 (9298, 1, 16, 16) in [0, 1]; y int64 (9298,), 0 to 9.

    Reference:
        Y. LeCun et al., Handwritten Digit Recognition with a Back-Propagation Network, NIPS 1989; in the form of
        T. Hastie, R. Tibshirani, J. Friedman, The Elements of Statistical Learning, 2001.
    """
    contents = (
        files.get(f"usps/{file}", urls=[mirror + file for mirror in MIRRORS], sha256=expected, fingerprint=fingerprint)
        for file, expected in FINGERPRINTS.items()
    )
    return to_images(np.concatenate([parse_rows(content) for content in contents]))


def to_images(rows: NDArray[np.float32]) -> ImageSet:
    """Rows (N, 257), the label and then 256 values in [-1, 1] -> images in [0, 1] and their labels."""
    values = torch.from_numpy(rows)
    return ImageSet((values[:, 1:].reshape(-1, 1, SIDE, SIDE) + 1) / 2, values[:, 0].long())


def fingerprint(content: bytes) -> str:
    """The sha256 of labels and values as little-endian float32, whatever text they are written in."""
    return hashlib.sha256(parse_rows(content).astype("<f4").tobytes()).hexdigest()


def parse_rows(content: bytes) -> NDArray[np.float32]:
    """Text, one digit a line -> (N, 257): the label 0..9, then 256 values in [-1, 1]; 0 is never negative.

    Raises:
        DataError: the text is something else.
    """
    wanted = f"expected lines of a label 0..9 and {SIDE * SIDE} values in [-1, 1]"
    try:
        text = content.decode("ascii")
        if not text.strip():
            raise ValueError("the text is empty")
        rows = np.loadtxt(StringIO(text), dtype=np.float32, comments=None, ndmin=2)
    except ValueError as error:
        raise DataError(f"USPS text: {wanted}; {error}") from error
    if rows.shape[1] != 1 + SIDE * SIDE:
        raise DataError(f"USPS text: {wanted}; found {rows.shape[0]} lines of {rows.shape[1]} numbers")
    if not np.isin(rows[:, 0], np.arange(10)).all():
        raise DataError(f"USPS text: {wanted}; found labels from {rows[:, 0].min():g} to {rows[:, 0].max():g}")
    if not (np.abs(rows[:, 1:]) <= 1).all():  # so written, NaN is refused too
        raise DataError(f"USPS text: {wanted}; found values from {rows[:, 1:].min():g} to {rows[:, 1:].max():g}")
    rows += 0  # -0.0 becomes 0.0
    return rows
