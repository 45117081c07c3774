"""The image files below a folder, in one order on every machine; links that loop are survived."""

import heapq
import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from decda.core.errors import DataError

EXTENSIONS = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".gif"),
    *(".avif", ".jp2", ".ppm", ".pgm", ".pbm", ".pnm"),
)
"""How the names of image files end, in any case. What a file is then decided by its content."""


@dataclass(frozen=True, order=True)
class ImageFile:
    """A file that calls itself an image.

    Attributes:
        name: its path below the folder, with `/`. Bytes that are not UTF-8 are lone surrogates, as Python reads them.
        path: its path, to open it.
        size: in bytes.
        mtime_ns: when it was changed last, in nanoseconds.
        mode: its permissions, as `os.stat` gives them.
        ctime_ns: when anything about it was changed last, which copying and unpacking do not set back.
        inode: the number of the file on its disk.
    """

    name: str
    path: str
    size: int
    mtime_ns: int
    mode: int
    ctime_ns: int
    inode: int


@dataclass
class Scan:
    """What a folder holds.

    Attributes:
        files: that call themselves images, in the order of their names.
        unreadable: name and reason of files, links and folders that cannot be looked at.
        others: how many other files there are, by the ending of their names.
    """

    files: list[ImageFile] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


def scan_folder(folder: Path) -> Scan:
    """Find the image files below a folder. None of them is opened.

    What is hidden (its name begins with a dot) is left out. A link to a file or a folder is followed if what it leads
    to was not found already, on another way; one that leads to the folder itself or one above it is not.

    Args:
        folder: to begin in.

    Returns:
        What was found.

    Raises:
        DataError: there is no such folder, or it may not be read.

    Example:
        >>> import pathlib
        >>> pathlib.Path("photo.JPG").touch()
        >>> [file.name for file in scan_folder(pathlib.Path(".")).files]
        ['photo.JPG']
    """
    try:
        real = os.path.realpath(folder, strict=True)
        os.scandir(real).close()
    except FileNotFoundError as error:
        raise DataError(f"There is no folder {folder}.") from error
    except NotADirectoryError as error:
        raise DataError(f"{folder} is not a folder. Name a folder that holds images.") from error
    except OSError as error:
        raise DataError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # a null character, or one that the file system cannot encode
        raise DataError(f"The path of the folder {str(folder)!r} is not valid: {error}.") from error
    return _Walk(real).scan


class _Walk:
    """One walk through a folder: first without any link, then by the links in the order of their names."""

    def __init__(self, root: str):
        self.scan = Scan()
        self.seen = {root, *map(str, Path(root).parents)}  # real paths; a link to one of these is a loop
        self.links: list[tuple[str, str]] = []  # a heap of name and path
        self.folder("", root)
        while self.links:
            self.link(*heapq.heappop(self.links))
        self.scan.files.sort()
        self.scan.unreadable.sort()

    def folder(self, name: str, path: str) -> None:
        """Walk through a folder that was not seen before.

        Args:
            name: its path below the root, "" of the root itself.
            path: its real path.
        """
        waiting = [(name, path)]
        while waiting:
            name, path = waiting.pop()
            for inner, entry in self.entries(name, path):
                if entry.is_symlink():
                    heapq.heappush(self.links, (inner, entry.path))
                elif entry.path in self.seen:
                    continue
                elif entry.is_dir(follow_symlinks=False):
                    self.seen.add(entry.path)
                    waiting.append((inner, entry.path))
                else:
                    self.seen.add(entry.path)
                    self.file(inner, entry)

    def entries(self, name: str, path: str) -> list[tuple[str, os.DirEntry[str]]]:
        """What lies in a folder and is not hidden, each with its name below the root."""
        try:
            with os.scandir(path) as entries:
                prefix = f"{name}/" if name else ""
                return [(prefix + entry.name, entry) for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            self.scan.unreadable.append((f"{name}/", f"the folder cannot be read: {error.strerror}"))
            return []

    def link(self, name: str, path: str) -> None:
        """Follow a link, if it leads to something new."""
        try:
            real = os.path.realpath(path, strict=True)
            status = os.stat(real)
        except OSError as error:
            if _is_image(name):
                self.scan.unreadable.append((name, f"the link cannot be followed: {error.strerror}"))
            return
        if real in self.seen:
            return
        self.seen.add(real)
        if stat.S_ISDIR(status.st_mode):
            self.folder(name, real)
        else:
            self.add(name, real, status)

    def file(self, name: str, entry: os.DirEntry[str]) -> None:
        """Look at a file that is not a link."""
        if not _is_image(name):
            self.scan.others[os.path.splitext(name)[1].lower()] += 1
            return
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            self.scan.unreadable.append((name, f"it cannot be read: {error.strerror}"))
        else:
            self.add(name, entry.path, status)

    def add(self, name: str, path: str, status: os.stat_result) -> None:
        """Add a file, if it is an image by its name."""
        if not _is_image(name):
            self.scan.others[os.path.splitext(name)[1].lower()] += 1
        elif not stat.S_ISREG(status.st_mode):
            self.scan.unreadable.append((name, "it is not a regular file"))
        else:
            times = status.st_mtime_ns, status.st_mode, status.st_ctime_ns
            self.scan.files.append(ImageFile(name, path, status.st_size, *times, status.st_ino))


def _is_image(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS)
