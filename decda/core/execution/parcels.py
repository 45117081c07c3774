"""Folders as bytes, for workers that do not share a file system with home. Importing this loads no torch."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from decda.core.atomic_files import explain_output, sync_folder, write_and_sync
from decda.core.errors import EngineError
from decda.core.regular_files import read_regular

Parcel = Mapping[str, bytes]
"""The content of files by their names, relative to a folder, with `/`."""
LEFT_OUT = (".lock",)
"""Files that mean something only where they are."""


def pack(folder: Path) -> dict[str, bytes]:
    """The regular files of a folder and of those in it; links are left out.

    Args:
        folder: nobody writes to it meanwhile; it may be missing.

    Returns:
        Their contents by name.

    Raises:
        OSError: a file cannot be read.

    Example:
        >>> Path("run/inner").mkdir(parents=True)
        >>> Path("run/inner/a.txt").write_bytes(b"text")
        4
        >>> pack(Path("run"))
        {'inner/a.txt': b'text'}
    """
    found = {}
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in sorted(names) if name not in LEFT_OUT):
            if path.is_file() and not path.is_symlink():
                found[path.relative_to(folder).as_posix()] = read_regular(path)
    return found


def unpack(parcel: Parcel, folder: Path) -> None:
    """Make a folder of files, or put one in the place of a former folder: all of it or nothing.

    Args:
        parcel: from `pack`, from wherever it came.
        folder: its place, in a folder that exists.

    Raises:
        EngineError: a name leads out of the folder, or is none; nothing was written.
        OutputError: a file cannot be written; what was there before stays.

    Example:
        >>> unpack({"inner/a.txt": b"text"}, Path("arrived"))
        >>> Path("arrived/inner/a.txt").read_text()
        'text'
    """
    paths = {name: _inner_path(name) for name in parcel}
    arriving, former = (folder.with_name(f".{folder.name}.{word}") for word in ("arriving", "former"))
    with explain_output(folder):
        for left in (arriving, former):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        try:
            arriving.mkdir()
            for name, content in parcel.items():
                path = arriving / paths[name]
                path.parent.mkdir(parents=True, exist_ok=True)
                write_and_sync(path, content)
            if folder.exists():
                os.replace(folder, former)
            os.replace(arriving, folder)
        except BaseException:
            shutil.rmtree(arriving, ignore_errors=True)
            if former.exists() and not folder.exists():
                os.replace(former, folder)
            raise
        sync_folder(folder.parent)
    shutil.rmtree(former, ignore_errors=True)


def _inner_path(name: str) -> PurePosixPath:
    """A name as a relative path that cannot leave the folder it is joined to."""
    path = PurePosixPath(name)
    strange = path.is_absolute() or ".." in path.parts or not path.parts or any(sign in name for sign in "\\:\0")
    if strange or path.as_posix() != name:
        raise EngineError(f"A worker has sent a file of the name {name!r}, which does not belong in a run's folder.")
    return path
