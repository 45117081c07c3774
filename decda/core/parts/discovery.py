"""What is installed: reads the metadata of the packages on `sys.path` and tells which parts they offer.

Finding runs no plugin. It never raises either, whatever lies on the path: what can be used and what cannot are both
answers. The library `entrypoints` reads folder by folder; one malformed file makes it lose its whole folder, which is
then read again with care, distribution by distribution.
"""

import os
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from configparser import ConfigParser
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import entrypoints

from decda.core.errors import did_you_mean
from decda.core.parts.entries import GROUPS, Entry, Problem, normalise

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_KIND_OF = {group: kind for kind, group in GROUPS.items()}
_FILE = "entry_points.txt"
DISABLED = "DECDA_DISABLE_PLUGINS"
"""Environment variable: names of packages, separated by commas; `*` means all but decda."""
ALL = "*"
OURS = "decda"


class Discovery(NamedTuple):
    """What `discover` found, sorted."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]


class _Line(NamedTuple):
    """A line `name = value` below a header `[group]`; None stands for what is missing."""

    group: str | None
    name: str
    value: str | None
    problem: str | None = None


@dataclass(frozen=True)
class _Distribution:
    """A metadata folder (`my_pkg-1.0.dist-info`), in the file system or in a zip file."""

    stem: str
    location: Path | zipfile.Path

    @property
    def package(self) -> str:
        return normalise(re.sub(r"-\d.*", "", self.stem))

    @property
    def version(self) -> str:
        version = re.search(r"-(\d.*?)(-py\d.*)?$", self.stem)  # an egg's name ends with its Python
        version = version or re.search(r"^Version:[ \t]*(\S+)", self.metadata, re.MULTILINE)  # a source tree's has none
        return version[1] if version else "unknown"

    @property
    def metadata(self) -> str:
        for file in ("METADATA", "PKG-INFO"):
            with suppress(Exception):  # missing, or not to be read: the stem says enough
                return (self.location / file).read_bytes().decode("utf-8", "replace")
        return ""

    @property
    def age(self) -> tuple[bool, list[int], str]:
        """Sorts the leftovers of a bad uninstall: complete ones last, then by release; ends in a definite order."""
        return bool(self.metadata), [int(number) for number in re.findall(r"\d+", self.version)], self.location.name

    def problem(self, reason: str) -> Problem:
        return Problem(self.package, self.version, str(self.location / _FILE), reason)


def discover(path: Sequence[str] | None = None) -> Discovery:
    """Find every part offered by the packages on a path.

    The first copy of a package on the path counts, even if it offers nothing: it is the one that Python imports.

    Args:
        path: folders and zip files as in `sys.path`, which is the default.
    """
    answers: list[Entry | Problem] = []
    packages: set[str] = set()
    for item in list(sys.path if path is None else path):
        try:
            folder = os.path.abspath(item)  # '' is the current folder, which may be gone
            if not isinstance(item, str):  # Python's import passes over other types, too
                continue
            found = [found for found in _distributions(folder) if found.package not in packages]
        except Exception:  # not a folder, not readable, a damaged zip file: nothing can be imported from there
            continue
        packages.update(distribution.package for distribution in found)
        answers += _scan(folder, found)
    entries = (answer for answer in answers if isinstance(answer, Entry))
    problems = (answer for answer in answers if isinstance(answer, Problem))
    return Discovery(tuple(sorted(entries)), tuple(sorted(problems)))


def switch_off_all() -> None:
    """Switch off every package but decda, in this process and in those it starts."""
    os.environ[DISABLED] = ALL


def is_switched_off(package: str) -> bool:
    """Whether the user has switched a package off; decda itself never is.

    Args:
        package: its name, normalised.

    Returns:
        True if its parts are to be left out.
    """
    names = [name.strip() for name in os.environ.get(DISABLED, "").split(",")]
    return package != OURS and (ALL in names or package in map(normalise, names))


def _distributions(folder: str) -> list[_Distribution]:
    """The distributions of one folder of the path, one of each package, also those without entry points."""
    root: Path | zipfile.Path
    if os.path.isdir(folder):
        root, names = Path(folder), os.listdir(folder)
    elif zipfile.is_zipfile(folder):
        root = zipfile.Path(folder)
        names = [item.name for item in root.iterdir()]
    else:
        return []
    chosen: dict[str, _Distribution] = {}
    for name in names:
        stem, suffix = os.path.splitext(name)
        if name == "EGG-INFO" and folder.endswith(".egg"):
            found = _Distribution(os.path.basename(folder).removesuffix(".egg"), root / name)
        elif suffix in (".dist-info", ".egg-info") and not name.startswith("~"):  # pip's name for the half removed
            found = _Distribution(stem, root / name)
        else:
            continue
        other = chosen.get(found.package)
        if other is None or other.age < found.age:
            chosen[found.package] = found
    return list(chosen.values())


def _scan(folder: str, distributions: Sequence[_Distribution]) -> list[Entry | Problem]:
    """The parts of one folder: the quick way if every file there is sound, else the careful one."""
    try:
        return list(_scan_quickly(folder, {distribution.stem: distribution for distribution in distributions}))
    except Exception:  # configparser's errors, bad UTF-8, what a stranger's file may provoke
        return [item for distribution in distributions for item in _scan_with_care(distribution)]


def _scan_quickly(folder: str, by_stem: dict[str, _Distribution]) -> Iterator[Entry | Problem]:
    # "all": which copy counts is decided above; the library would keep the first in the file system's order.
    for config, found in entrypoints.iter_files_distros(path=[folder], repeated_distro="all"):
        distribution = by_stem.get(found.name if found.version is None else f"{found.name}-{found.version}")
        if distribution is not None:
            yield from _parts(distribution, _config_lines(config))


def _config_lines(config: ConfigParser) -> Iterator[_Line]:
    """The lines of a file that configparser could read; raises where it understood more than is meant."""
    if config.defaults():
        raise ValueError("configparser copies a section [DEFAULT] into all others")
    for group in config.sections():
        for name, value in config.items(group, raw=True):  # raw: a '%' means nothing here
            if "\n" in value and "decda" in group + value:
                raise ValueError("configparser takes an indented line for the rest of the one before")
            yield _Line(group, name, value)


def _scan_with_care(distribution: _Distribution) -> list[Entry | Problem]:
    """The parts of one distribution, whatever its file looks like; silent if the defect is none of our business."""
    from importlib.metadata import PathDistribution  # here, for it takes 30 ms, and few folders need it

    text, defect, metadata = "", None, PathDistribution(distribution.location)
    try:
        try:
            text = metadata.read_text(_FILE) or ""
        except UnicodeDecodeError as error:
            utf16 = error.object.startswith((b"\xff\xfe", b"\xfe\xff"))
            text = error.object.decode("utf-16" if utf16 else "utf-8", "replace")
            defect = f"{_FILE} is not UTF-8 ({error.reason}): its author should save it as UTF-8"
        if text.startswith("\ufeff"):
            text = text.removeprefix("\ufeff")
            defect = f"{_FILE} starts with a byte order mark: its author should save it as UTF-8 without one"
        lines = list(_text_lines(text, defect))
        found = list(_parts(distribution, lines))
    except Exception as error:
        lines, found, defect = [], [], f"{_FILE} cannot be read ({error!r})"
    reasons = [defect] if defect and not found else []  # else each part tells it
    if any(line.group is None for line in lines):
        reasons.append(f"{_FILE} has lines before its first [group], so that nobody can tell what they are")
    if reasons and _concerns_us(distribution, text, metadata):
        found.append(distribution.problem("; ".join(reasons)))
    return found


def _concerns_us(distribution: _Distribution, text: str, metadata: "Distribution") -> bool:
    """Whether a damaged file may have held parts of decda."""
    if "decda." in text or distribution.package.startswith("decda"):
        return True
    try:
        return any(re.match(r"decda(?![\w.-])", line, re.IGNORECASE) for line in metadata.requires or ())
    except Exception:  # METADATA may be as damaged as the other file
        return False


def _text_lines(text: str, defect: str | None) -> Iterator[_Line]:
    """The lines of a file, read one by one, so that each defect stays where it is."""
    group, problem = None, defect
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith(("#", ";")):
            continue
        if line.startswith("["):
            group, closed, _ = line[1:].partition("]")
            problem = defect if closed else f"the header {line!r} in {_FILE} lacks its ']'"
            continue
        name, equals, value = map(str.strip, line.partition("="))
        yield _Line(group, name, value if equals else None, problem)


def _parts(distribution: _Distribution, lines: Iterable[_Line]) -> Iterator[Entry | Problem]:
    """The parts that the lines name, and the defects of lines that were meant to name one."""
    parts: dict[tuple[str, str], Entry] = {}
    unknown: dict[str, None] = {}
    for line in lines:
        kind = _KIND_OF.get(line.group or "")
        if kind is None:
            if re.match(r"\s*decda(\.|\s*$)", line.group or "", re.IGNORECASE):
                unknown[line.group or ""] = None
        elif not line.name:
            yield distribution.problem(f"a line in [{line.group}] gives no name: '= {line.value}'")
        elif (kind, line.name) in parts:
            reason = f"{line.name!r} stands twice in [{line.group}]: its author should remove or rename one"
            parts[kind, line.name] = replace(parts[kind, line.name], problem=reason)
        else:
            where = _target(line)
            parts[kind, line.name] = Entry(kind, line.name, distribution.package, distribution.version, *where)
    yield from parts.values()
    for group in unknown:
        reason = f"the group [{group}] is none of decda's.{did_you_mean(group, _KIND_OF)} Groups: {', '.join(_KIND_OF)}"
        yield distribution.problem(reason)


def _target(line: _Line) -> tuple[str, str, str | None]:
    """Module, attribute and problem of a line; the first two are empty where it is unclear what they are."""
    problem = line.problem
    if re.search(r"[\s:]", line.name) or not line.name.isprintable():
        problem = problem or f"the name {line.name!r} must hold no blank, no ':' and nothing invisible"
    if line.value is None:
        return "", "", problem or f"the line {line.name!r} in [{line.group}] should read 'name = package.module:object'"
    try:
        target = entrypoints.EntryPoint.from_string(re.sub(r"\s*:\s*", ":", line.value), line.name)
    except entrypoints.BadEntryPoint:
        target = None
    path = [] if target is None else [target.module_name, *filter(None, [target.object_name])]
    if not path or not all(word.isidentifier() for word in ".".join(path).split(".")):
        return "", "", problem or f"{line.value!r} is no path to an object; write 'package.module:object'"
    return path[0], ".".join(path[1:]), problem
