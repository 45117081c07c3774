"""The data sets `mnist`, `mnist-test` and `fashion-mnist`, read from the IDX files in which they are published."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from decda.core.contracts import ImageSet
from decda.core.errors import DataError
from decda.core.files import Files

UNSIGNED_BYTE = 0x08
TYPES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FASHION_MNIST_MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
)
MAX_BYTES = 16 + 60_000 * 28 * 28
"""The most that a published file holds: the training images."""
SHA256 = {  # of the decompressed bytes, because gzip's time stamp and level change the compressed ones
    "mnist/train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "mnist/train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "mnist/t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "mnist/t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "fashion-mnist/train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "fashion-mnist/train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "fashion-mnist/t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "fashion-mnist/t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def mnist(files: Files) -> ImageSet:
    """MNIST: 70,000 handwritten digits, 28x28, training split followed by test split.

    Args:
        files: finds or downloads the four published files.

    Returns:
        x uint8 (70000, 1, 28, 28); y int64 (70000,), 0 to 9.

    Raises:
        DataError: a file is missing and cannot be downloaded, or its content is not the published one.

    Reference:
        LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition, Proceedings of the
        IEEE, 1998.
    """
    return _load(files, "mnist", ("train", "t10k"), MNIST_MIRRORS)


def mnist_test(files: Files) -> ImageSet:
    """MNIST-TEST: the 10,000 handwritten digits of MNIST's test split, 28x28.

    Args:
        files: finds or downloads the two published files.

    Returns:
        x uint8 (10000, 1, 28, 28); y int64 (10000,), 0 to 9.

    Raises:
        DataError: a file is missing and cannot be downloaded, or its content is not the published one.

    Reference:
        LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition, Proceedings of the
        IEEE, 1998.
    """
    return _load(files, "mnist", ("t10k",), MNIST_MIRRORS)


def fashion_mnist(files: Files) -> ImageSet:
    """Fashion-MNIST: 70,000 articles of clothing in 10 classes, 28x28, training split followed by test split.

    Args:
        files: finds or downloads the four published files.

    Returns:
        x uint8 (70000, 1, 28, 28); y int64 (70000,), 0 to 9.

    Raises:
        DataError: a file is missing and cannot be downloaded, or its content is not the published one.

    Reference:
        Xiao, Rasul, Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms, 2017.
    """
    return _load(files, "fashion-mnist", ("train", "t10k"), FASHION_MNIST_MIRRORS)


def parse_idx(content: bytes, *, n_dims: int, source: str) -> NDArray[np.uint8]:
    """Read the array in an IDX file of unsigned bytes.

    The format: two zero bytes, the type, the number of dimensions, each dimension as a big-endian 32-bit integer, and
    the values.

    Args:
        content: the decompressed file.
        n_dims: the number of dimensions it must have: 3 for images (N, H, W), 1 for labels (N,).
        source: the name of the file, for error messages.

    Returns:
        A read-only uint8 array with the dimensions that the header gives.

    Raises:
        DataError: the content is not such a file, it is shorter or longer than its header says, or a dimension is 0.

    Example:
        >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]), n_dims=1, source="labels").tolist()
        [7, 2, 1]
    """
    if len(content) < 4 or content[:2] != b"\0\0":
        start = content[:4].hex(" ") or "nothing"
        raise DataError(f"{source} is not an IDX file: it begins with {start}, not with 00 00.")
    kind, dims = content[2], content[3]
    if kind != UNSIGNED_BYTE:
        seen = TYPES.get(kind, "unknown")
        raise DataError(f"{source} holds values of IDX type 0x{kind:02x} ({seen}), expected 0x08 (uint8).")
    if dims != n_dims:
        raise DataError(f"{source} has {dims} dimensions, expected {n_dims}.")
    header = 4 + 4 * dims
    if len(content) < header:
        raise DataError(f"{source} is truncated: it has {len(content)} bytes, its header alone needs {header}.")
    shape = [int.from_bytes(content[at : at + 4]) for at in range(4, header, 4)]
    expected, found = math.prod(shape), len(content) - header
    sides = " x ".join(str(side) for side in shape)
    if expected == 0:
        raise DataError(f"{source} holds nothing: its header says {sides}.")
    if found != expected:  # compared before memory is taken for what the header claims
        verdict = "is truncated" if found < expected else "has trailing bytes"
        raise DataError(f"{source} {verdict}: it has {found} values, its header says {sides} = {expected}.")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def check_counts(images: NDArray[np.uint8], labels: NDArray[np.uint8], *, sources: tuple[str, str]) -> None:
    """Require as many labels as images.

    Args:
        images: (N, H, W).
        labels: (N,).
        sources: the names of their two files, for error messages.

    Raises:
        DataError: there are more of one than of the other.

    Example:
        >>> check_counts(np.zeros((2, 3, 3), np.uint8), np.zeros(2, np.uint8), sources=("images", "labels"))
    """
    if len(images) != len(labels):
        raise DataError(
            f"{sources[0]} holds {len(images)} images, but {sources[1]} holds {len(labels)} labels. They do not belong "
            "together: replace the wrong one."
        )


def _load(files: Files, folder: str, splits: Sequence[str], mirrors: Sequence[str]) -> ImageSet:
    """Load the images and labels of the splits, one split after the other."""

    def read(name: str, n_dims: int) -> NDArray[np.uint8]:
        urls = [mirror + name.removeprefix(f"{folder}/") for mirror in mirrors]
        content = files.get(name, urls=urls, sha256=SHA256[name], max_bytes=MAX_BYTES)
        return parse_idx(content, n_dims=n_dims, source=name)

    x, y = [], []
    for split in splits:
        sources = f"{folder}/{split}-images-idx3-ubyte.gz", f"{folder}/{split}-labels-idx1-ubyte.gz"
        x.append(read(sources[0], 3))  # (N, 28, 28)
        y.append(read(sources[1], 1))  # (N,)
        check_counts(x[-1], y[-1], sources=sources)
    return ImageSet(torch.from_numpy(np.concatenate(x)).unsqueeze(1), torch.from_numpy(np.concatenate(y)).long())
