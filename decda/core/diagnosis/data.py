"""Where data is looked for, and which data sets are there."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from decda.core.config.run_config import PartConfig
from decda.core.diagnosis.check import ABSENT, OK, WARNING, Check
from decda.core.errors import DecdaError, MissingFile
from decda.core.files import MAX_BYTES, Files, Fingerprint
from decda.core.parts.entries import Entry
from decda.core.parts.parameters import supplied_names
from decda.core.parts.registry import Registry
from decda.core.runs.naming import find_obstacle

if TYPE_CHECKING:
    from decda.core.contracts import ImageSet, ImageSource

OTHERWISE = "Put files there by hand, or name another folder: --data-root, or the variable DECDA_DATA"
"""What to do where nothing can be downloaded into the data root."""


class RecordedFiles(Files):
    """Files that take note of what is asked for. Nothing is downloaded.

    Attributes:
        found: where each file is that was asked for; None where it is missing.
        published: whether each of them could be downloaded.
        verified: whether the content of each of them is known beforehand.

    Args:
        data_root: as for `Files`.
    """

    def __init__(self, data_root: Path | None = None) -> None:
        super().__init__(data_root, offline=True)
        self.found: dict[str, Path | None] = {}
        self.published: dict[str, bool] = {}
        self.verified: dict[str, bool] = {}

    def get(
        self,
        name: str,
        *,
        urls: Sequence[str] = (),
        sha256: str | None = None,
        fingerprint: Fingerprint | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> bytes:
        """Take note of a file, and read it as `Files.get` does."""
        self.found[name], self.published[name], self.verified[name] = self.find(name), bool(urls), sha256 is not None
        return super().get(name, urls=urls, sha256=sha256, fingerprint=fingerprint, max_bytes=max_bytes)


def check_data_root(data_root: Path | None) -> list[Check]:
    """Check the folder in which data is looked for first, and whether missing files may be downloaded.

    Args:
        data_root: as the user gave it; None: the environment or the cache decides.

    Returns:
        The checks.

    Raises:
        DataError: the data root refers to the home folder of an unknown user.
    """
    files = Files(data_root)
    means, remedy, status = "where data is looked for, by default", "", OK
    if data_root is not None:
        means = "where data is looked for first, as --data-root says"
    elif os.environ.get("DECDA_DATA"):
        means = "where data is looked for first, as the variable DECDA_DATA says"
    obstacle = find_obstacle(files.data_root)
    if not files.data_root.is_dir():
        status = ABSENT if obstacle is None else WARNING
        means += "; it is made when data is downloaded" if obstacle is None else f", which is not possible: {obstacle}"
        remedy = "" if obstacle is None else OTHERWISE
    elif obstacle is not None:
        means += f"; nothing can be downloaded into it: {obstacle}"
    root = Check("data", "data root", status, str(files.data_root), means, remedy)
    if files.offline:
        means = "missing data is not downloaded, by the variable DECDA_OFFLINE"
        return [root, Check("data", "downloads", ABSENT, "switched off", means, "To download it: DECDA_OFFLINE=0")]
    return [root, Check("data", "downloads", OK, "allowed", "missing data is downloaded when a run first needs it")]


def check_datasets(registry: Registry, data_root: Path | None) -> Iterator[Check]:
    """Check each data set that needs nothing but its published files: those that are there are read and verified.

    Args:
        registry: where data sets are.
        data_root: as for `check_data_root`.

    Yields:
        A check for each. Data sets that cannot be imported are left out, since `check_parts` tells of them, and so are
        those that have to be told a path.
    """
    for entry in registry:
        if entry.kind == "dataset":
            check = _dataset(entry, registry, RecordedFiles(data_root))
            if check is not None:
                yield check


def _dataset(entry: Entry, registry: Registry, files: RecordedFiles) -> Check | None:
    try:
        component = registry.load(entry)
    except DecdaError:
        return None
    if any(parameter.required for parameter in component.parameters):
        return None
    if "files" not in supplied_names(component.factory):
        return Check("data", entry.name, OK, "no files needed", "it can be used at once")
    from decda.core.runs.images import open_images

    defaults = {parameter.name: parameter.default for parameter in component.parameters}
    try:
        images = open_images(PartConfig(entry.qualified, defaults), registry, files)
    except MissingFile:
        return _missing(entry, files)
    except DecdaError as error:
        return Check("data", entry.name, WARNING, "cannot be used", str(error), "Runs on other data are not affected.")
    paths = [path for path in files.found.values() if path is not None]
    size = sum(path.stat().st_size for path in paths)
    folders = ", ".join(str(folder) for folder in dict.fromkeys(path.parent for path in paths)) or "no files needed"
    state = "complete and verified" if all(files.verified.values()) else "complete"
    means = f"{_number(images):,} images, {state} ({size / 1e6:.1f} MB)"
    return Check("data", entry.name, OK, folders, means)


def _missing(entry: Entry, files: RecordedFiles) -> Check:
    """A data set, of which at least the file that was asked for last is missing."""
    name = next(reversed(files.found))
    target = files.data_root / name
    found = "not here" if len(files.found) == 1 else f"incomplete: {name} is missing"
    if not files.published[name]:
        return Check("data", entry.name, ABSENT, found, "it cannot be downloaded", f"Put {name} into {files.data_root}")
    if Files().offline:
        means = "it would have to be downloaded, which is switched off"
        return Check("data", entry.name, ABSENT, found, means, f"Put its files into {target.parent}")
    obstacle = find_obstacle(target.parent)
    if obstacle is not None:
        return Check("data", entry.name, ABSENT, found, f"it cannot be downloaded: {obstacle}", OTHERWISE)
    return Check("data", entry.name, ABSENT, found, f"the first run on it downloads it to {target.parent}")


def _number(images: "ImageSet | ImageSource") -> int:
    from decda.core.contracts import ImageSource

    return images.shape[0] if isinstance(images, ImageSource) else len(images.x)
