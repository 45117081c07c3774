"""From a kind and a name to a part: which are registered, which one is meant, and the object itself, imported.

A registry is a plain object that is passed along. It reads metadata when it is made, and imports a part only when that
part is loaded.
"""

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

from decda.core.errors import (
    AmbiguousComponent,
    BrokenComponent,
    ConfigError,
    ContractViolation,
    UnknownComponent,
    did_you_mean,
    in_a_line,
)
from decda.core.parts.class_checks import VERSION_1_LOSS, class_defect
from decda.core.parts.discovery import DISABLED, discover, is_switched_off
from decda.core.parts.entries import API_VERSION, GROUPS, KINDS, Entry, Problem, normalise
from decda.core.parts.parameters import Parameter, read_parameters
from decda.core.parts.summaries import Source, read_source

LOCAL = "local"
"""The package of parts that were added by hand."""


@dataclass(frozen=True)
class Component:
    """A part that was loaded.

    Attributes:
        entry: what its package says of it.
        factory: the class or function; of a recipe, the mapping or the function that returns one.
        parameters: what the user may set; none for a recipe.
    """

    entry: Entry
    factory: Any
    parameters: tuple[Parameter, ...]


class Registry:
    """All registered parts, sorted.

    Args:
        entries: parts, as `discover` finds them.
        problems: defects of packages whose parts may be missing.
        switched_off: parts that are installed, but that the user has left out.

    Attributes:
        files: those whose parts were added, with their SHA-256, see `load_file`.
        from_files: the parts of those files, which another process can have, too.
    """

    def __init__(
        self, entries: Iterable[Entry] = (), problems: Iterable[Problem] = (), switched_off: Iterable[Entry] = ()
    ) -> None:
        self._entries = list(entries)
        self._added: dict[Entry, Any] = {}
        self._loaded: dict[Entry, Component] = {}
        self._sources: dict[Entry, Source] = {}
        self.problems = tuple(problems)
        self.switched_off = tuple(switched_off)
        self.files: dict[Path, str] = {}
        self.from_files: set[Entry] = set()

    @classmethod
    def discover(cls, path: Sequence[str] | None = None) -> "Registry":
        """The parts of the packages installed on a path, by default `sys.path`, but those that are switched off."""
        found = discover(path)
        return cls(
            [entry for entry in found.entries if not is_switched_off(entry.package)],
            [problem for problem in found.problems if not is_switched_off(problem.package)],
            [entry for entry in found.entries if is_switched_off(entry.package)],
        )

    def copy(self) -> "Registry":
        """The same parts, in a registry of its own: what is added to one does not show in the other."""
        copy = Registry(self._entries, self.problems, self.switched_off)
        copy._added, copy._loaded, copy._sources = dict(self._added), dict(self._loaded), dict(self._sources)
        copy.files, copy.from_files = dict(self.files), set(self.from_files)
        return copy

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted(self._entries))

    def names(self, kind: str) -> list[str]:
        """The names of a kind, sorted, each once.

        Args:
            kind: one of `KINDS`.

        Raises:
            ConfigError: an unknown kind.
        """
        _check_kind(kind)
        return sorted({entry.name for entry in self._entries if entry.kind == kind})

    def add(self, kind: str, name: str, factory: Any) -> Entry:
        """Register an object by hand, for tests and notebooks; a second one of the same name replaces the first.

        Raises:
            ConfigError: an unknown kind, or a name that cannot be typed.
        """
        _check_kind(kind)
        if not name or ":" in name or any(letter.isspace() for letter in name):
            raise ConfigError(f"A part cannot have the name {name!r}: it must hold no blank and no ':'.")
        module, attribute = getattr(factory, "__module__", ""), getattr(factory, "__qualname__", "")
        entry = Entry(kind, name, LOCAL, "", module, attribute)
        for former in [former for former in self._added if (former.kind, former.name) == (kind, name)]:
            self._entries.remove(former)
            del self._added[former]
            self._loaded.pop(former, None)
        self._entries.append(entry)
        self._added[entry] = factory
        self.from_files.discard(entry)
        return entry

    def added(self) -> dict[Entry, Any]:
        """What was added by hand, with its factories."""
        return dict(self._added)

    def find(self, kind: str, name: str, *, prefer: str | None = None) -> Entry:
        """Find the part that a name means; imports nothing.

        Args:
            kind: one of `KINDS`.
            name: `idec`, or `package:idec` where several packages give that name.
            prefer: the package that a bare name means first, if it has such a part: within a recipe, the recipe's own.

        Raises:
            ConfigError: an unknown kind.
            UnknownComponent: no such part; the message lists those there are.
            AmbiguousComponent: several packages give that bare name.
        """
        _check_kind(kind)
        package, qualified, bare = name.partition(":") if ":" in name else (prefer or "", "", name)
        found = [entry for entry in self if entry.kind == kind and entry.name == bare]
        named = [entry for entry in found if entry.package == normalise(package)]
        if qualified or named:
            found = named
        if not found:
            raise self._unknown(kind, name)
        if len(found) > 1:
            raise AmbiguousComponent(_twins(found))
        return found[0]

    def load(self, entry: Entry) -> Component:
        """Import a part. Whatever its code does wrong stays its own mistake, reported with its package and version.

        Raises:
            BrokenComponent: it cannot be imported, is not what its kind asks for, or needs another version of decda.
            ContractViolation: its signature is not one that users can set parameters by, or its class shows that it is
                no part of its kind.
        """
        if entry not in self._loaded:
            if entry.problem:
                raise _broken(entry, entry.problem)
            factory = self._added[entry] if entry in self._added else _import(entry)
            if not (callable(factory) or (entry.kind == "recipe" and isinstance(factory, Mapping))):
                wanted = "a mapping or a function" if entry.kind == "recipe" else "a class or a function"
                raise _broken(entry, f"it must be {wanted}, but is of type {type(factory).__name__!r}")
            _check_version(entry, factory)
            parameters = () if entry.kind == "recipe" else _parameters(entry, factory)
            self._loaded[entry] = Component(entry, factory, parameters)
        return self._loaded[entry]

    def status(self, entry: Entry) -> tuple[str, str | None]:
        """`"ok"`, `"broken"` or `"ambiguous"`, and why, as far as it shows without running any code."""
        source = self._source(entry)
        if source.error:
            return "broken", source.error
        twins = [twin for twin in self if (twin.kind, twin.name) == (entry.kind, entry.name)]
        return ("ambiguous", _twins(twins)) if len(twins) > 1 else ("ok", None)

    def summary(self, entry: Entry) -> str:
        """The first line of a part's docstring, read without running any code; "" if there is none."""
        return self._source(entry).summary

    def _source(self, entry: Entry) -> Source:
        if entry in self._added:  # made in a notebook, perhaps: the object is here, its text may be nowhere
            factory = self._added[entry]
            if isinstance(factory, partial):  # speaks for its function
                factory = factory.func
            text = None
            with contextlib.suppress(Exception):
                text = factory.__doc__ if callable(factory) else None  # that of a mapping is the one of `dict`
            return Source(next(iter(text.strip().splitlines()), "") if isinstance(text, str) else "")
        if entry not in self._sources:
            self._sources[entry] = read_source(entry)
        return self._sources[entry]

    def _unknown(self, kind: str, name: str) -> UnknownComponent:
        entries = [entry for entry in self if entry.kind == kind]
        names = [entry.qualified for entry in entries] if ":" in name else self.names(kind)
        plural = GROUPS[kind].removeprefix("decda.")
        listing = f"Registered {plural}: {', '.join(names) or 'none'}."
        if not self._entries:
            listing += " Is decda itself installed (python -m pip install .)?"
        elif self.problems:
            listing += f" Not readable: {', '.join(sorted({problem.package for problem in self.problems}))}."
        off = [entry for entry in self.switched_off if entry.kind == kind and name in (entry.name, entry.qualified)]
        if off:
            listing += f" {off[0].owner} has one, but is switched off (by {DISABLED} or for this program)."
        hint = f"{listing} See: decda list-components {kind}"
        return UnknownComponent(f"Unknown {kind} {name!r}.{did_you_mean(name, names)} {hint}")


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ConfigError(f"Unknown kind {kind!r}.{did_you_mean(kind, KINDS)} Kinds: {', '.join(KINDS)}.")


def _twins(entries: list[Entry]) -> str:
    """Why a bare name is refused."""
    *owners, last = [entry.owner for entry in entries]
    both = "Both " if len(owners) == 1 else ""
    choices = " or ".join(entry.qualified for entry in entries)
    kind, name = entries[0].kind, entries[0].name
    return f"{both}{', '.join(owners)} and {last} provide the {kind} {name!r}. Say which: {choices}."


def _broken(entry: Entry, reason: str) -> BrokenComponent:
    return BrokenComponent(f"The {entry.kind} {entry.name!r} of {entry.owner} cannot be used: {reason}.")


@contextlib.contextmanager
def _guard(entry: Entry) -> Iterator[None]:
    """Around a stranger's code: its errors become ours, its prints go to stderr, for stdout may promise JSON."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's code may raise any
        raise _broken(entry, _reason(entry, error)) from error


def _reason(entry: Entry, error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it leaves the program when it is imported (SystemExit: {error})"
    if isinstance(error, ModuleNotFoundError) and error.name:
        if f"{entry.module}.".startswith(f"{error.name}."):
            return f"there is no module {error.name!r}; reinstall {entry.package}"
        return f"it needs the module {error.name!r}, which is not installed"
    return in_a_line(error).rstrip(": .")


def _import(entry: Entry) -> Any:
    with _guard(entry):
        module = import_module(entry.module)
        return attrgetter(entry.attribute)(module) if entry.attribute else module


def _check_version(entry: Entry, factory: Any) -> None:
    """Refuse a part written for a version of the contract that this decda does not serve.

    What the object itself says counts first, then its module, then the packages around it. A part that says nothing is
    taken for what it is; a head of version 1 shows by its loss.
    """
    with _guard(entry):
        around = [entry.module.rsplit(".", depth)[0] for depth in range(entry.module.count(".") + 1)]
        places = (factory, *(sys.modules.get(str(name)) for name in (getattr(factory, "__module__", ""), *around)))
        version = next((place.decda_api for place in places if hasattr(place, "decda_api")), API_VERSION)
    if type(version) is not int or version < 1:
        raise _broken(entry, f"its decda_api is {version!r}; it must be a whole number such as {API_VERSION}")
    if version > API_VERSION:
        reason = f"it is written for version {version} of decda's contract, and this decda has version {API_VERSION}"
        raise _broken(entry, f"{reason}; upgrade decda, or install an older {entry.package}")
    if version == 1 and entry.kind == "head":
        raise _broken(entry, f"{VERSION_1_LOSS.format(signature='')}. Say decda_api = {API_VERSION} then")


def _parameters(entry: Entry, factory: Any) -> tuple[Parameter, ...]:
    with _guard(entry):
        violation = class_defect(entry.kind, factory)
        try:
            parameters = read_parameters(factory)
        except ContractViolation as error:
            violation = violation or str(error)
    if violation:
        what = f"The {entry.kind} {entry.name!r} of {entry.owner} breaks its contract"
        raise ContractViolation(f"{what}: {violation}.")
    return parameters
