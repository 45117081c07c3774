"""Arrays are read from files; what a file says of itself is not believed."""

import contextlib
import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decda.core.arrays import files as array_files
from decda.core.arrays.files import read_array_file, read_label_file
from decda.core.errors import DataError
from decda.core.mapped_files import MappedFile

X = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)


def npy(header: str, content: bytes = b"", version: bytes = b"\1\0") -> bytes:
    text = header.encode("latin1")
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(text))
    return b"\x93NUMPY" + version + length + text + content


def header(shape: str, descr: str = "|u1", order: str = "False") -> str:
    return f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


@pytest.mark.parametrize("array", [X, np.asfortranarray(X), X.astype(">f4"), X > 5, X.astype("U")])
def test_npy_is_mapped(array: Any, tmp_path: Path) -> None:
    """A .npy file of any type and order is a view of the file, with which nothing can be changed in it."""
    path = tmp_path / "x.npy"
    np.save(path, array)
    before = path.read_bytes()
    mapped, classes = read_array_file(path)
    np.testing.assert_array_equal(mapped, array)
    assert (mapped.dtype, classes, type(mapped.base)) == (array.dtype, None, MappedFile)
    mapped[0] = mapped[1]
    assert path.read_bytes() == before


def test_a_large_npy_takes_no_memory(tmp_path: Path) -> None:
    """A sparse file of 3 GiB is opened at once, and only what is looked at is read."""
    path = tmp_path / "x.npy"
    path.write_bytes(npy(header("(786432, 64, 64)")))
    os.truncate(path, len(path.read_bytes()) + 3 * 2**30)
    tracemalloc.start()
    try:
        mapped, _ = read_array_file(path)
        assert mapped[-1].sum() == 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20


def test_headers_of_version_2(tmp_path: Path) -> None:
    """Headers with a length of four bytes are read, too; a link leads to its file."""
    (tmp_path / "x.npy").write_bytes(npy(header("(2, 2)"), b"abcd", b"\2\0"))
    (tmp_path / "link.npy").symlink_to("x.npy")
    assert read_array_file(tmp_path / "link.npy")[0].tobytes() == b"abcd"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    ("arrays", "classes"),
    [
        ({"x": X}, False),
        ({"X": X, "y": np.arange(4)}, True),
        ({"images": np.asfortranarray(X), "labels": np.arange(4), "names": X}, True),
        ({"data": X.astype(">i4"), "other": np.zeros(3)}, False),
        ({"mine": X, "y": np.arange(4)}, True),
    ],
)
def test_npz(save: Any, arrays: Any, classes: bool, tmp_path: Path) -> None:
    """The images of a .npz are found by their key, or because they are alone; `y` and `labels` are classes."""
    save(tmp_path / "x.npz", **arrays)
    x, y = read_array_file(tmp_path / "x.npz")
    np.testing.assert_array_equal(x, X)
    assert x.dtype == next(iter(arrays.values())).dtype
    assert (None if y is None else y.tolist()) == ([0, 1, 2, 3] if classes else None)


def test_text_files(tmp_path: Path) -> None:
    """Text files are read as tables, and so is what spreadsheets mark as UTF-8."""
    for name, text in (("a.csv", "a,b\n1,2\n"), ("a.TSV", "1\t2\n"), ("a.txt", "1 2\n")):
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
        assert read_array_file(tmp_path / name)[0].tolist() == [[1, 2]]


def test_labels(tmp_path: Path) -> None:
    """Classes are read from an array of numbers or texts, or from text."""
    np.save(tmp_path / "y.npy", np.array(["b", "a"]))
    (tmp_path / "y.csv").write_text("label\n3\n4\n")
    assert read_label_file(tmp_path / "y.npy").tolist() == ["b", "a"]
    assert read_label_file(tmp_path / "y.csv").tolist() == [3, 4]
    with pytest.raises(DataError, match=r"ends in '\.npz'; files of arrays end in .npy, .csv, .tsv or .txt"):
        read_label_file(tmp_path / "y.npz")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing.npy", "There is no file .*missing.npy"),
        ("missing.npz", "There is no file"),
        ("missing.csv", "There is no file"),
        ("", "is a folder. Images in a folder are read by the data set 'folder'"),
        ("folder.npy", "cannot be read: it is a folder"),
        ("x.png", r"ends in '\.png'; files of arrays end in .npy, .npz, .csv, .tsv or .txt\.$"),
        ("x", "has no ending"),
        ("x.csv.gz", r"ends in '\.gz'.*Unpack it first"),
        ("folder.npy/x.npy", "There is no file"),
        ("a\0b.npy", "cannot be read: its path is not valid"),
        ("n" * 300 + ".npy", "cannot be read: File name too long"),
    ],
)
def test_paths_without_such_a_file(name: str, says: str, tmp_path: Path) -> None:
    """What is missing, a folder or of another kind is told, with the kinds that are read."""
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(DataError, match=says) as error:
        read_array_file(tmp_path / name)
    assert error.value.exit_code == 3


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv"])
def test_a_named_pipe_does_not_block(suffix: str, tmp_path: Path) -> None:
    """A named pipe, which would be waited for, is refused."""
    os.mkfifo(tmp_path / f"x{suffix}")
    with pytest.raises(DataError, match="it is not a regular file"):
        read_array_file(tmp_path / f"x{suffix}")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not a .npy file: it begins with nothing"),
        (b"\x89PNG\r\n", "begins with 89 50 4e 47 0d 0a"),
        (b"PK\3\4 etc", r"It is a ZIP file; should its name end in \.npz\?"),
        (b"\x93NUMPY\1\0", "its header is cut off"),
        (b"\x93NUMPY\2\0\xff\xff\xff\x7f", "its header is 2147483647 bytes long"),
        (b"\x93NUMPY\1\0\x50\0{'descr'", "its header cannot be read"),
        (npy("{" * 5000), "its header cannot be read"),
        (npy("[" + "-" * 9000 + "1]"), "its header cannot be read"),
        (npy(header("(2, 2)", "__import__('os')")), "its header cannot be read"),
        (
            npy(header("(2, 2)"), b"abc"),
            "says 2 x 2 values of uint8, which is 4 bytes; there are 3",
        ),
        (
            npy(header("(4294967296, 4294967296)", "<f8"), b"abc"),
            "its header says 4294967296 x 4294967296",
        ),
        (npy(header("(0, 4)")), "holds nothing: its header says 0 x 4 values"),
        (npy(header("(-1, -4)"), b"abcd"), "holds nothing: its header says -1 x -4"),
        (npy(header("(2,)", "|O"), pickle.dumps([1, 2])), r"holds Python objects, which decda never unpickles"),
        (npy(header("(1,)", "|V0"), b"abcd"), "holds nothing"),
    ],
)
def test_damaged_npy(content: bytes, says: str, tmp_path: Path) -> None:
    """Damage, pickles and absurd claims of a .npy file are told, without memory for them."""
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=says):
            read_array_file(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**24


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_nothing_is_ever_unpickled(name: str, tmp_path: Path) -> None:
    """An array of objects is refused, and their code does not run."""
    array = np.array([Bomb(tmp_path / "ran")], dtype=object)
    (np.save if name == "x.npy" else np.savez)(tmp_path / name, array)
    with pytest.raises(DataError, match=r"never unpickles.*array\.astype\('U'\)"):
        read_array_file(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def packed(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


WHOLE = npy(header("(4, 2, 3)"), X.tobytes())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not an intact .npz file: BadZipFile"),
        (WHOLE, "is not an intact .npz file"),
        (packed({"x.npy": WHOLE})[:-30], "is not an intact .npz file"),
        (packed({}), "holds no arrays"),
        (packed({"readme.txt": b"hello"}), "holds no arrays"),
        (
            packed({"a.npy": WHOLE, "b.npy": WHOLE, "y.npy": WHOLE}),
            "the arrays 'a', 'b', 'y', and it is not clear",
        ),
        (packed({"y.npy": WHOLE}), "holds the arrays 'y'"),
        (packed({"x.npy": b"hello"}), "array 'x', is not a .npy file"),
        (packed({"x.npy": WHOLE[:-1]}), "array 'x', is truncated: its header says 4 x 2 x 3 values"),
        (packed({"x.npy": npy(header("(99999999, 99999999)"), b"a")}), "is truncated: its header says 99999999 x"),
        (packed({"x.npy": WHOLE}, zipfile.ZIP_BZIP2), r"packed in a way that NumPy does not use \(type 12\)"),
        (packed({"x.npy": WHOLE}, zipfile.ZIP_STORED).replace(X.tobytes(), X.tobytes()[::-1]), "Bad CRC-32"),
    ],
)
def test_damaged_npz(content: bytes, says: str, tmp_path: Path) -> None:
    """Damage of a .npz file is told, with the array that it concerns."""
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_array_file(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array of a few packed bytes that states more than is allowed is refused before it is unpacked."""
    path = tmp_path / "x.npz"
    path.write_bytes(packed({"x.npy": npy(header("(4096, 64, 64)"), bytes(2**24))}))
    assert path.stat().st_size < 2**16
    monkeypatch.setattr(array_files, "MAX_MEMBER", 2**20)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="states 167772[0-9]+ unpacked bytes, more than the 1048576.*as .npy"):
            read_array_file(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**22


def test_a_stated_size_that_is_false(tmp_path: Path) -> None:
    """A packed array that holds less than its archive states is damaged, not filled with chance."""
    content = bytearray(packed({"x.npy": WHOLE[:-4]}))
    for signature, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", content, content.index(signature) + at, len(WHOLE))
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DataError, match="truncated|not an intact"):
        read_array_file(tmp_path / "x.npz")


def test_an_encrypted_archive(tmp_path: Path) -> None:
    """An array behind a password is told as that."""
    content = bytearray(packed({"x.npy": WHOLE}))
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(signature) + at] |= 1
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DataError, match="array 'x', is encrypted"):
        read_array_file(tmp_path / "x.npz")


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_damaged_bytes(name: str, tmp_path: Path) -> None:
    """Whatever byte is damaged, the array is read or a DataError says why not."""
    whole = WHOLE if name == "x.npy" else packed({"x.npy": WHOLE, "y.npy": npy(header("(4,)"), b"abcd")})
    random = np.random.default_rng(0)
    for position in range(0, len(whole), 2):
        content = bytearray(whole)
        content[position] = random.integers(256)
        (tmp_path / name).write_bytes(content[: random.integers(len(whole) - 8, len(whole) + 1)])
        with contextlib.suppress(DataError):
            read_array_file(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a,b\n1,ü\n".encode("latin1"), "is not text in UTF-8: it holds the byte 0xfc"),
        ("1,2\n".encode("utf-16"), "is not text in UTF-8"),
        (b"a,b\n1,x\n", r"x\.csv: column 'b' holds texts"),
        (b"", r"x\.csv: it is empty\."),
    ],
)
def test_damaged_text(content: bytes, says: str, tmp_path: Path) -> None:
    """What is wrong in a text file is told with its path."""
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_array_file(tmp_path / "x.csv")


def test_text_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text file of more bytes than allowed is not read."""
    monkeypatch.setattr(array_files, "MAX_TEXT", 10)
    (tmp_path / "x.csv").write_text("1,2\n" * 5)
    with pytest.raises(DataError, match="it holds 20 bytes, more than the 10 allowed"):
        read_array_file(tmp_path / "x.csv")
