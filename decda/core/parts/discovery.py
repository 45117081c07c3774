"""Discovers parts by reading the metadata of the packages on `sys.path`.

Discovery runs no code of a plugin, and it never raises, whatever is on the path: it returns both the parts that can be
used and the defects it found. The library `entrypoints` reads folder by folder, and a single malformed file makes it
fail for the whole folder; such a folder is read again with a tolerant parser, distribution by distribution.
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
DISABLE_VARIABLE = "DECDA_DISABLE_PLUGINS"
"""Environment variable with the names of packages to ignore, separated by commas; `*` means all but decda."""
ALL = "*"
OWN_PACKAGE = "decda"


class Discovery(NamedTuple):
    """What `discover` found, sorted.

    Attributes:
        entries: the parts, also those that cannot be used.
        problems: defects that cannot be attributed to a single part.
    """

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]


class _Line(NamedTuple):
    """A line `name = value` below a header `[group]`; a missing element is None."""

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
        version = re.search(r"-(\d.*?)(-py\d.*)?$", self.stem)  # an egg may end with a Python version
        version = version or re.search(r"^Version:[ \t]*(\S+)", self.metadata, re.MULTILINE)  # a source tree
        return version[1] if version else "unknown"

    @property
    def metadata(self) -> str:
        for file in ("METADATA", "PKG-INFO"):
            with suppress(Exception):  # missing or unreadable: the stem suffices
                return (self.location / file).read_bytes().decode("utf-8", "replace")
        return ""

    @property
    def age(self) -> tuple[bool, list[int], str]:
        """Sort key for copies of a package that a failed uninstall left behind: complete ones last, then by version."""
        return bool(self.metadata), [int(number) for number in re.findall(r"\d+", self.version)], self.location.name

    def problem(self, reason: str) -> Problem:
        return Problem(self.package, self.version, str(self.location / _FILE), reason)


def discover(path: Sequence[str] | None = None) -> Discovery:
    """Find every part that the packages on a path register.

    Only the first copy of a package on the path counts, even if it registers nothing, because Python imports that one.

    Args:
        path: folders and zip files, by default `sys.path`.

    Returns:
        The parts, and the defects that cannot be attributed to a part.

    Example:
        >>> discover([])
        Discovery(entries=(), problems=())
    """
    results: list[Entry | Problem] = []
    packages: set[str] = set()
    for item in list(sys.path if path is None else path):
        try:
            folder = os.path.abspath(item)  # '' is the current folder, which may have been deleted
            if not isinstance(item, str):  # Python's import ignores other types, too
                continue
            found = [found for found in _distributions(folder) if found.package not in packages]
        except Exception:  # unreadable, or a damaged zip file: nothing can be imported from it
            continue
        packages.update(distribution.package for distribution in found)
        results += _scan(folder, found)
    entries = (result for result in results if isinstance(result, Entry))
    problems = (result for result in results if isinstance(result, Problem))
    return Discovery(tuple(sorted(entries)), tuple(sorted(problems)))


def switch_off_all() -> None:
    """Switch off all packages but decda, in this process and in those that it starts."""
    os.environ[DISABLE_VARIABLE] = ALL


def is_switched_off(package: str) -> bool:
    """Whether a package is switched off by the environment; decda itself never is.

    Args:
        package: its normalised name.

    Returns:
        True if its parts must be ignored.
    """
    names = [name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",")]
    return package != OWN_PACKAGE and (ALL in names or package in map(normalise, names))


def _distributions(folder: str) -> list[_Distribution]:
    """The distributions in one folder of the path, one per package, including those without entry points."""
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
        elif suffix in (".dist-info", ".egg-info") and not name.startswith("~"):  # pip's prefix of a half-removed one
            found = _Distribution(stem, root / name)
        else:
            continue
        other = chosen.get(found.package)
        if other is None or other.age < found.age:
            chosen[found.package] = found
    return list(chosen.values())


def _scan(folder: str, distributions: Sequence[_Distribution]) -> list[Entry | Problem]:
    """The parts of one folder, by the fast parser if every file in it is well-formed, else by the tolerant one."""
    try:
        return list(_scan_fast(folder, {distribution.stem: distribution for distribution in distributions}))
    except Exception:  # configparser's errors, invalid UTF-8, and whatever else a malformed file may cause
        return [item for distribution in distributions for item in _scan_tolerantly(distribution)]


def _scan_fast(folder: str, by_stem: dict[str, _Distribution]) -> Iterator[Entry | Problem]:
    # "all", because `_distributions` has chosen a copy; the library would keep the first one the file system lists.
    for config, found in entrypoints.iter_files_distros(path=[folder], repeated_distro="all"):
        distribution = by_stem.get(found.name if found.version is None else f"{found.name}-{found.version}")
        if distribution is not None:
            yield from _parts(distribution, _config_lines(config))


def _config_lines(config: ConfigParser) -> Iterator[_Line]:
    """The lines of a file as configparser read them; raises where it misreads what the file means."""
    if config.defaults():
        raise ValueError("configparser copies the section [DEFAULT] into all others")
    for group in config.sections():
        for name, value in config.items(group, raw=True):  # raw, because '%' has no special meaning here
            if "\n" in value and "decda" in group + value:
                raise ValueError("configparser appends an indented line to the previous one")
            yield _Line(group, name, value)


def _scan_tolerantly(distribution: _Distribution) -> list[Entry | Problem]:
    """The parts of one distribution, however malformed its file is; defects that do not concern decda are ignored."""
    from importlib.metadata import PathDistribution  # imported here because it takes 30 ms and is rarely needed

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
    reasons = [defect] if defect and not found else []  # otherwise each part carries it
    if any(line.group is None for line in lines):
        reasons.append(f"{_FILE} has lines before its first [group], so their group is unknown")
    if reasons and _concerns_us(distribution, text, metadata):
        found.append(distribution.problem("; ".join(reasons)))
    return found


def _concerns_us(distribution: _Distribution, text: str, metadata: "Distribution") -> bool:
    """Whether a damaged file may have registered parts for decda."""
    if "decda." in text or distribution.package.startswith("decda"):
        return True
    try:
        return any(re.match(r"decda(?![\w.-])", line, re.IGNORECASE) for line in metadata.requires or ())
    except Exception:  # METADATA may be damaged, too
        return False


def _text_lines(text: str, defect: str | None) -> Iterator[_Line]:
    """The lines of a file, parsed one by one, so that a defect affects only its own line."""
    group, problem = None, defect
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith(("#", ";")):
            continue
        if line.startswith("["):
            group, closed, _ = line[1:].partition("]")
            problem = defect if closed else f"the header {line!r} in {_FILE} has no closing ']'"
            continue
        name, equals, value = map(str.strip, line.partition("="))
        yield _Line(group, name, value if equals else None, problem)


def _parts(distribution: _Distribution, lines: Iterable[_Line]) -> Iterator[Entry | Problem]:
    """The parts that the lines register, and the defects of lines that were meant to register one."""
    parts: dict[tuple[str, str], Entry] = {}
    unknown: dict[str, None] = {}
    for line in lines:
        kind = _KIND_OF.get(line.group or "")
        if kind is None:
            if re.match(r"\s*decda(\.|\s*$)", line.group or "", re.IGNORECASE):
                unknown[line.group or ""] = None
        elif not line.name:
            yield distribution.problem(f"a line in [{line.group}] has no name: '= {line.value}'")
        elif (kind, line.name) in parts:
            reason = f"{line.name!r} appears twice in [{line.group}]: its author should remove or rename one"
            parts[kind, line.name] = replace(parts[kind, line.name], problem=reason)
        else:
            where = _target(line)
            parts[kind, line.name] = Entry(kind, line.name, distribution.package, distribution.version, *where)
    yield from parts.values()
    for group in unknown:
        reason = f"decda has no group [{group}].{did_you_mean(group, _KIND_OF)} Groups: {', '.join(_KIND_OF)}"
        yield distribution.problem(reason)


def _target(line: _Line) -> tuple[str, str, str | None]:
    """Module, attribute and problem of a line; module and attribute are empty if they cannot be determined."""
    problem = line.problem
    if re.search(r"[\s:]", line.name) or not line.name.isprintable():
        problem = problem or f"the name {line.name!r} must not contain blanks, ':' or invisible characters"
    if line.value is None:
        return "", "", problem or f"the line {line.name!r} in [{line.group}] should read 'name = package.module:object'"
    try:
        target = entrypoints.EntryPoint.from_string(re.sub(r"\s*:\s*", ":", line.value), line.name)
    except entrypoints.BadEntryPoint:
        target = None
    path = [] if target is None else [target.module_name, *filter(None, [target.object_name])]
    if not path or not all(word.isidentifier() for word in ".".join(path).split(".")):
        return "", "", problem or f"{line.value!r} is not a path to an object; write 'package.module:object'"
    return path[0], ".".join(path[1:]), problem
