"""The data set `folder`: images of any kind and size, from a folder."""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Annotated, Literal, TypeVar

import torch
from torch import Tensor

from decda.core.contracts import ImageSource
from decda.core.errors import DataError
from decda.core.files import Files
from decda.plugins.datasets.folder_scan import EXTENSIONS, ImageFile, Scan, scan_folder
from decda.plugins.datasets.image_files import (
    DECODER,
    Alpha,
    Fit,
    Header,
    UnreadableImage,
    read_header,
    read_pixels,
)

Labels = Literal["auto", "folders", "none"]
T = TypeVar("T")

MAX_SIDE = 1024
"""The largest side that may be asked for."""
MAX_AUTO_SIDE = 64
"""The largest side that is chosen where none is asked for."""
MAX_THREADS = 8
TOGETHER = 16
"""Images that a thread takes at a time."""


def folder(
    files: Files,
    input_shape: tuple[int, int, int] | None,
    *,
    path: Annotated[Path, "the folder; its subfolders are searched, too"],
    size: Annotated[str, "auto, a side as 32, or height x width as 32x48; auto: the median, at most 64"] = "auto",
    fit: Annotated[Fit, "keep the whole image and pad it, or fill the size and crop what exceeds it"] = "pad",
    color: Annotated[Literal["auto", "gray", "rgb"], "auto: gray if all images are"] = "auto",
    alpha: Annotated[Alpha, "lay transparent pixels over white, or drop their transparency"] = "white",
    labels: Annotated[Labels, "classes by top-level subfolder; auto: if every image lies in one"] = "auto",
    strict: Annotated[bool, "refuse the folder if any image cannot be read, instead of leaving it out"] = False,
    cache: Annotated[bool, "keep the decoded pixels, so that the next run starts at once"] = True,
) -> ImageSource:
    """Folder: your own images (PNG, JPEG, BMP, TIFF, WebP, GIF ...) of any size and kind, from a folder.

    Files whose names end like those of images are taken, hidden ones are not; what they are is decided by their
    content. The order is that of their paths. Only headers are read here, and only where size or colour depend on them.

    Where `input_shape` (C, H, W) is given, images get that shape, which `size` and `color` may not contradict. Nobody
    trains then, so that `labels="folders"` does not refuse images that lie in no subfolder. `files` is not used: the
    images are where `path` says.

    Returns:
        The images, uint8 (N, C, H, W), decoded as they are read; y int64 (N,) or None; names relative to the folder.

    Raises:
        ValueError: the size is none.
        DataError: there is no such folder, it holds no image, or it contradicts what is asked for.

    Example:
        >>> from PIL import Image
        >>> for name, gray in (("a.png", 0), ("b.jpg", 255)):
        ...     Image.new("L", (10, 8), gray).save(name)
        >>> images = folder(Files(), None, path=Path("."), cache=False)
        >>> images.shape, images.names, images.read(0, 2)[0].float().mean(dim=(1, 2, 3)).tolist()
        ((2, 1, 8, 10), ['a.png', 'b.jpg'], [0.0, 255.0])
    """
    sides = parse_size(size)
    where = _absolute(path)
    scan = scan_folder(where)
    if not scan.files:
        raise DataError(_nothing(where, scan))
    broken = list(scan.unreadable)
    if input_shape is not None:
        channels, height, width = input_shape
        if channels not in (1, 3):
            raise DataError(f"Images from a folder have 1 or 3 channels; {channels} are needed.")
        asked = (sides or (height, width), {"gray": 1, "rgb": 3}.get(color, channels))
        if asked != ((height, width), channels):
            raise DataError(
                f"The model takes images of {height}x{width} in {'gray' if channels == 1 else 'colour'}, so that size "
                f"{size} and color {color} cannot be had. Leave both out."
            )
    else:
        headers: Sequence[Header] = ()
        if sides is None or color == "auto":
            headers, unreadable = _headers(scan.files)
            broken = sorted([*broken, *unreadable])
            if not headers:
                name, reason = broken[0]
                raise DataError(
                    f"The folder {where}: none of its {len(broken)} images can be read; of {printable(name)}: {reason}."
                )
        height, width = sides or (_auto_side(h.height for h in headers), _auto_side(h.width for h in headers))
        channels = 1 if color == "gray" or (color == "auto" and all(header.gray for header in headers)) else 3
    if strict and broken:
        raise DataError(_refused(where, broken))
    # What has no header that can be read stays among the images and fails when it is decoded: so classes, and what the
    # cache holds, do not depend on whether headers had to be looked at.
    return FolderImages(
        where,
        scan.files,
        (channels, height, width),
        fit=fit,
        alpha=alpha,
        y=_classes(where, [file.name for file in scan.files], labels, must=input_shape is None),
        skipped=scan.unreadable,
        strict=strict,
        cache=cache,
    )


folder.recipe = "auto"  # type: ignore[attr-defined]


class FolderImages(ImageSource):
    """The images of a folder, decoded by several threads as they are read.

    Attributes:
        files: the images, in their order.
    """

    def __init__(
        self,
        path: Path,
        files: Sequence[ImageFile],
        input_shape: tuple[int, int, int],
        *,
        fit: Fit,
        alpha: Alpha,
        y: Tensor | None,
        skipped: Sequence[tuple[str, str]],
        strict: bool,
        cache: bool,
    ) -> None:
        """Describe the images; none is opened.

        Args:
            path: the folder, absolute.
            files: the images, in their order.
            input_shape: (C, H, W), C 1 or 3.
            fit: how an image is brought to that shape.
            alpha: what becomes of transparent pixels.
            y: int64 (N,) or None.
            skipped: name and reason of what was left out already.
            strict: whether an image that cannot be read is an error.
            cache: whether the images may be kept.
        """
        channels, height, width = input_shape
        self.files = files
        self.shape = (len(files), *input_shape)
        self.dtype = torch.uint8
        self.y = y
        self.names = [file.name for file in files]
        self.settings = {"path": path, "size": f"{height}x{width}", "color": "gray" if channels == 1 else "rgb"}
        self.skipped = skipped
        self.key = _key(files, input_shape, fit, alpha) if cache else None
        self._path, self._fit, self._alpha, self._strict = path, fit, alpha, strict

    def read(self, start: int, stop: int) -> tuple[Tensor, Mapping[int, str]]:
        """Decode some consecutive images; the same bytes, however many threads there are.

        Args:
            start: position of the first, from 0.
            stop: position after the last, at most N.

        Returns:
            uint8 (stop - start, C, H, W), zeros where an image cannot be read; and the reasons by position.

        Raises:
            DataError: one cannot be read, and the folder is read strictly.
        """
        x = torch.zeros((stop - start, *self.shape[1:]), dtype=torch.uint8)
        pixels = x.numpy()

        def decode(position: int) -> str | None:
            file = self.files[position]
            state = (file.size, file.mtime_ns)
            try:
                pixels[position - start] = read_pixels(
                    file.path, self.shape[1:], fit=self._fit, alpha=self._alpha, state=state
                )
            except UnreadableImage as error:
                return str(error)
            return None

        reasons = _in_threads(decode, range(start, stop))
        failures = {position: reason for position, reason in zip(range(start, stop), reasons, strict=True) if reason}
        if failures and self._strict:
            raise DataError(_refused(self._path, [(self.files[at].name, reason) for at, reason in failures.items()]))
        return x, failures


def parse_size(size: str) -> tuple[int, int] | None:
    """Height and width from a text.

    Args:
        size: `"auto"`, a side as `"32"`, or height and width as `"32x48"`.

    Returns:
        (height, width), None for auto.

    Raises:
        ValueError: it is something else, or a side is not in [1, 1024].

    Example:
        >>> parse_size("32"), parse_size("32x48"), parse_size("auto")
        ((32, 32), (32, 48), None)
    """
    if size.strip().lower() == "auto":
        return None
    found = re.fullmatch(r"\s*([0-9]{1,9})\s*(?:[xX×]\s*([0-9]{1,9})\s*)?", size)
    sides = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not all(1 <= side <= MAX_SIDE for side in sides):
        raise ValueError(
            f"size must be auto, a side such as 32, or height x width such as 32x48, each in [1, {MAX_SIDE}]; "
            f"it is {size!r}"
        )
    return sides


def printable(name: str) -> str:
    r"""A file's name for a sentence: what cannot be shown in a line is written as an escape.

    Args:
        name: any name.

    Returns:
        The same name, in one line.

    Example:
        >>> print(printable("über\nzwei.png"))
        über\nzwei.png
    """
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in name)


def _absolute(path: Path) -> Path:
    try:
        return Path(os.path.abspath(Path(path).expanduser()))
    except RuntimeError as error:  # ~somebody
        raise DataError(f"The path {path} cannot be resolved: {error}") from error


def _headers(files: Sequence[ImageFile]) -> tuple[list[Header], list[tuple[str, str]]]:
    """The headers that can be read, and name and reason of the files that have none."""

    def look(position: int) -> Header | str:
        try:
            return read_header(files[position].path)
        except UnreadableImage as error:
            return str(error)

    found = _in_threads(look, range(len(files)))
    unreadable = [(file.name, reason) for file, reason in zip(files, found, strict=True) if isinstance(reason, str)]
    return [header for header in found if isinstance(header, Header)], unreadable


def _in_threads(work: Callable[[int], T], positions: range) -> list[T]:
    """Work on each position, some of them at a time; results in order."""
    parts = [positions[at : at + TOGETHER] for at in range(0, len(positions), TOGETHER)]
    with ThreadPoolExecutor(min(_cores(), MAX_THREADS, max(len(parts), 1))) as pool:
        # Where one part fails, as by Ctrl-C, `map` cancels those that wait.
        return [result for done in pool.map(lambda part: [work(at) for at in part], parts) for result in done]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _auto_side(sides: Iterable[int]) -> int:
    return max(1, min(MAX_AUTO_SIDE, int(median(sides))))


def _key(files: Sequence[ImageFile], shape: tuple[int, int, int], fit: Fit, alpha: Alpha) -> str:
    """A text that changes whenever a pixel does, and also when a file becomes readable."""
    digest = sha256(f"{DECODER} {shape} {fit} {alpha}\n".encode())
    for file in files:
        name = file.name.encode(errors="surrogatepass")
        numbers = file.size, file.mtime_ns, file.mode, file.ctime_ns, file.inode
        digest.update(b"%b\0%d %d %d %d %d\n" % (name, *numbers))
    return digest.hexdigest()


def _classes(where: Path, names: Sequence[str], labels: Labels, *, must: bool) -> Tensor | None:
    """The classes of images by their top-level subfolders, in the order of the folders' names.

    Args:
        where: the folder.
        names: of the images.
        labels: whether there are classes.
        must: whether `"folders"` refuses images that lie in no subfolder.

    Returns:
        int64 (N,) or None.

    Raises:
        DataError: an image lies in no subfolder.
    """
    if labels == "none":
        return None
    loose = [name for name in names if "/" not in name]
    if loose and labels == "folders" and must:
        raise DataError(
            f"The folder {where}: {len(loose)} of its {len(names)} images lie in no subfolder, so that their classes "
            f"are not known; the first is {printable(loose[0])}. Move them, or set labels to auto or none."
        )
    tops = [name.partition("/")[0] for name in names]
    order = {top: number for number, top in enumerate(sorted(set(tops)))}
    if loose or (labels == "auto" and len(order) < 2):
        return None
    return torch.tensor([order[top] for top in tops], dtype=torch.int64)


def _nothing(where: Path, scan: Scan) -> str:
    looked = f"looked for files that end in {', '.join(EXTENSIONS)}, in any case, hidden ones left out"
    text = f"The folder {where} holds no images: {looked}."
    if scan.others:
        kinds = ", ".join(printable(ending) or "no ending" for ending, _ in scan.others.most_common(5))
        text += f" It holds {scan.others.total()} other files ({kinds})."
    if scan.unreadable:
        name, reason = scan.unreadable[0]
        text += f" {len(scan.unreadable)} files or folders cannot be looked at; of {printable(name)}: {reason}."
    return text


def _refused(where: Path, skipped: Sequence[tuple[str, str]]) -> str:
    name, reason = skipped[0]
    images = "1 image" if len(skipped) == 1 else f"{len(skipped)} images"
    return (
        f"The folder {where}: {images} cannot be read; of {printable(name)}: {reason}. Remove what is damaged, or set "
        "strict to false to leave it out."
    )
