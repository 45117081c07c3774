"""The registry: finds parts by kind and name, and imports them on demand.

A registry is a plain object that is passed as an argument. Metadata are read when it is created; a part is imported
only when it is loaded.
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
    OutOfMemory,
    UnknownComponent,
    did_you_mean,
    in_a_line,
    is_out_of_memory,
)
from decda.core.parts.chains import CHAINED, ChainFactory, join_entries, join_parameters, split_chain
from decda.core.parts.class_checks import VERSION_1_LOSS, class_defect
from decda.core.parts.discovery import DISABLE_VARIABLE, discover, is_switched_off
from decda.core.parts.entries import API_VERSION, GROUPS, KINDS, PLUS, Entry, Problem, normalise
from decda.core.parts.parameters import Parameter, read_parameters
from decda.core.parts.summaries import Source, read_source

LOCAL = "local"
"""The package name of parts that were added by hand."""


@dataclass(frozen=True)
class Component:
    """A part that has been imported.

    Attributes:
        entry: its registration.
        factory: the class or function; for a recipe, the mapping or a function that returns one.
        parameters: what users may set; empty for a recipe.
        links: of a chain, the parts that it is made of.
    """

    entry: Entry
    factory: Any
    parameters: tuple[Parameter, ...]
    links: tuple["Component", ...] = ()


class Registry:
    """All registered parts, sorted.

    Args:
        entries: parts, as found by `discover`.
        problems: defects in the metadata of packages, parts of which may be missing.
        switched_off: parts of packages that the user has switched off.

    Attributes:
        problems: as given.
        switched_off: as given.
        files: the files that `load_file` has loaded, with their SHA-256.
        from_files: the parts of those files, which other processes can load, too.

    Example:
        >>> registry = Registry()
        >>> entry = registry.add("recipe", "mine", {"head": "idec"})
        >>> registry.find("recipe", "mine").qualified
        'local:mine'
        >>> registry.load(entry).factory
        {'head': 'idec'}
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
        """Make a registry of all installed parts, except those that are switched off.

        Args:
            path: folders and zip files to search, by default `sys.path`.

        Returns:
            The registry.
        """
        found = discover(path)
        return cls(
            [entry for entry in found.entries if not is_switched_off(entry.package)],
            [problem for problem in found.problems if not is_switched_off(problem.package)],
            [entry for entry in found.entries if is_switched_off(entry.package)],
        )

    def copy(self) -> "Registry":
        """Make an independent copy.

        Returns:
            A registry with the same parts; adding parts to one does not affect the other.
        """
        copy = Registry(self._entries, self.problems, self.switched_off)
        copy._added, copy._loaded, copy._sources = dict(self._added), dict(self._loaded), dict(self._sources)
        copy.files, copy.from_files = dict(self.files), set(self.from_files)
        return copy

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted(self._entries))

    def names(self, kind: str) -> list[str]:
        """List the names of all parts of a kind.

        Args:
            kind: one of `KINDS`.

        Returns:
            The names, sorted, each once.

        Raises:
            ConfigError: the kind is unknown.
        """
        _check_kind(kind)
        return sorted({entry.name for entry in self._entries if entry.kind == kind})

    def add(self, kind: str, name: str, factory: Any) -> Entry:
        """Register a part by hand, as in tests and notebooks; it replaces an earlier one of the same kind and name.

        Args:
            kind: one of `KINDS`.
            name: the name of the part, without blanks, `:` and invisible characters.
            factory: the class or function that makes it; for a recipe, a mapping or a function that returns one.

        Returns:
            The entry of the part, under the package name `local`.

        Raises:
            ConfigError: the kind is unknown, or the name is invalid.
        """
        _check_kind(kind)
        if not name or ":" in name or " " in name or not name.isprintable():
            raise ConfigError(
                f"A part cannot have the name {name!r}: a name must not be empty or contain blanks, ':' or invisible "
                "characters."
            )
        module, attribute = getattr(factory, "__module__", ""), getattr(factory, "__qualname__", "")
        entry = Entry(kind, name, LOCAL, "", module, attribute)
        for former in [former for former in self._added if (former.kind, former.name) == (kind, name)]:
            self._entries.remove(former)
            del self._added[former]
            self._loaded = {e: loaded for e, loaded in self._loaded.items() if former not in (e, *e.links)}
        self._entries.append(entry)
        self._added[entry] = factory
        self.from_files.discard(entry)
        return entry

    def added(self) -> dict[Entry, Any]:
        """The parts that were added by hand.

        Returns:
            A copy of the mapping from their entries to their factories.
        """
        return dict(self._added)

    def find(self, kind: str, name: str, *, prefer: str | None = None) -> Entry:
        """Find the part that a name refers to, without importing it.

        Args:
            kind: one of `KINDS`.
            name: `idec`, or `package:idec` if several packages provide that name; for augmentations also a chain,
                `affine+color`, unless a part has that very name.
            prefer: the package whose part a bare name refers to first, if there is one. Inside a recipe, this is the
                package of the recipe.

        Returns:
            The entry of the part.

        Raises:
            ConfigError: the kind is unknown.
            UnknownComponent: there is no such part; the message lists the existing ones.
            AmbiguousComponent: several packages provide that bare name.
            ConfigError: a part occurs twice in a chain.
        """
        _check_kind(kind)
        if PLUS not in name or kind != CHAINED or self._named(kind, name, prefer):
            return self._only(kind, name, prefer)
        links = split_chain(name, lambda link: bool(self._named(kind, link, prefer)))
        return join_entries([self._only(kind, link, prefer, name) for link in links])

    def load(self, entry: Entry) -> Component:
        """Import a part. Any error in its code is reported with its package and version.

        Args:
            entry: the part.

        Returns:
            The part with its parameters; loading it again returns the same object.

        Raises:
            BrokenComponent: it cannot be imported, has the wrong type, or needs another version of decda.
            OutOfMemory: memory ran out while it was imported.
            ContractViolation: its signature cannot be read as parameters, or its class cannot be a part of its kind.
        """
        if entry not in self._loaded and entry.links:
            links = tuple(self.load(link) for link in entry.links)
            factory = ChainFactory(links, _import(entry))
            self._loaded[entry] = Component(entry, factory, join_parameters(links), links)
        elif entry not in self._loaded:
            if entry.problem:
                raise _broken(entry, entry.problem)
            factory = self._added[entry] if entry in self._added else _import(entry)
            if not (callable(factory) or (entry.kind == "recipe" and isinstance(factory, Mapping))):
                required = "a mapping or a function" if entry.kind == "recipe" else "a class or a function"
                raise _broken(entry, f"it must be {required}, but is of type {type(factory).__name__!r}")
            _check_version(entry, factory)
            parameters = () if entry.kind == "recipe" else _parameters(entry, factory)
            self._loaded[entry] = Component(entry, factory, parameters)
        return self._loaded[entry]

    def status(self, entry: Entry) -> tuple[str, str | None]:
        """Check a part without running any of its code.

        Args:
            entry: the part.

        Returns:
            `"ok"`, `"broken"` or `"ambiguous"`, and the reason, None if it is ok.
        """
        source = self._source(entry)
        if source.error:
            return "broken", source.error
        twins = [twin for twin in self if (twin.kind, twin.name) == (entry.kind, entry.name)]
        return ("ambiguous", _twins(twins)) if len(twins) > 1 else ("ok", None)

    def summary(self, entry: Entry) -> str:
        """Read the first line of a part's docstring, without running any of its code.

        Args:
            entry: the part.

        Returns:
            The line, "" if there is none.
        """
        return self._source(entry).summary

    def _source(self, entry: Entry) -> Source:
        if entry in self._added:  # the object exists, but its source text may not, as in a notebook
            factory = self._added[entry]
            if isinstance(factory, partial):  # its own docstring is that of `partial`
                factory = factory.func
            text = None
            with contextlib.suppress(Exception):
                text = factory.__doc__ if callable(factory) else None  # a mapping has the docstring of `dict`
            return Source(next(iter(text.strip().splitlines()), "") if isinstance(text, str) else "")
        if entry not in self._sources:
            self._sources[entry] = read_source(entry)
        return self._sources[entry]

    def _named(self, kind: str, name: str, prefer: str | None) -> list[Entry]:
        """The parts that a name may mean."""
        package, qualified, bare = name.partition(":") if ":" in name else (prefer or "", "", name)
        found = [entry for entry in self if entry.kind == kind and entry.name == bare]
        named = [entry for entry in found if entry.package == normalise(package)]
        return named if qualified or named else found

    def _only(self, kind: str, name: str, prefer: str | None, chain: str = "") -> Entry:
        """The one part that a name means, alone or in a chain."""
        found = self._named(kind, name, prefer)
        if not found:
            raise self._unknown(kind, name, chain)
        if len(found) > 1:
            raise AmbiguousComponent(_twins(found))
        return found[0]

    def _unknown(self, kind: str, name: str, chain: str) -> UnknownComponent:
        entries = [entry for entry in self if entry.kind == kind]
        names = [entry.qualified for entry in entries] if ":" in name else self.names(kind)
        names = [each for each in names if each.isprintable()]  # others are broken, see discovery
        plural = GROUPS[kind].removeprefix("decda.")
        listing = f"Registered {plural}: {', '.join(names) or 'none'}."
        if not self._entries:
            listing += " Is decda itself installed (python -m pip install .)?"
        elif self.problems:
            listing += f" Unreadable packages: {', '.join(sorted({problem.package for problem in self.problems}))}."
        off = [entry for entry in self.switched_off if entry.kind == kind and name in (entry.name, entry.qualified)]
        if off:
            listing += f" {off[0].owner} provides it but is switched off (by {DISABLE_VARIABLE} or for this program)."
        hint = f"{listing} See: decda list-components {kind}"
        where = f" in the chain {chain!r}" if chain else ""
        only = " Only augmentations can be chained by '+'." if PLUS in name and kind != CHAINED else ""
        return UnknownComponent(f"Unknown {kind} {name!r}{where}.{did_you_mean(name, names)}{only} {hint}")


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ConfigError(f"Unknown kind {kind!r}.{did_you_mean(kind, KINDS)} Kinds: {', '.join(KINDS)}.")


def _twins(entries: list[Entry]) -> str:
    """The message for a bare name that several packages provide."""
    *owners, last = [entry.owner for entry in entries]
    both = "Both " if len(owners) == 1 else ""
    choices = " or ".join(entry.qualified for entry in entries)
    kind, name = entries[0].kind, entries[0].name
    return f"{both}{', '.join(owners)} and {last} provide the {kind} {name!r}. Pick one: {choices}."


def _broken(entry: Entry, reason: str) -> BrokenComponent:
    return BrokenComponent(f"The {entry.kind} {entry.name!r} of {entry.owner} cannot be used: {reason}.")


@contextlib.contextmanager
def _guard(entry: Entry) -> Iterator[None]:
    """Run code of a plugin: turn its errors into BrokenComponent, and its output to stderr, as stdout may hold JSON."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything
        if is_out_of_memory(error):
            raise OutOfMemory(
                f"Out of memory: the {entry.kind} {entry.name!r} of {entry.owner} cannot be imported "
                f"({in_a_line(error)}). Free some memory, or use another part."
            ) from error
        raise _broken(entry, _reason(entry, error)) from error


def _reason(entry: Entry, error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it exits the program when it is imported (SystemExit: {error})"
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
    """Refuse a part that was written for a version of the contract that this decda does not support.

    The version is the attribute `decda_api` of the object, else of its module, else of the nearest parent package. A
    part without it is assumed to follow the current version; the signature of its loss reveals a head of version 1.
    """
    with _guard(entry):
        parents = [entry.module.rsplit(".", depth)[0] for depth in range(entry.module.count(".") + 1)]
        places = (factory, *(sys.modules.get(str(name)) for name in (getattr(factory, "__module__", ""), *parents)))
        version = next((place.decda_api for place in places if hasattr(place, "decda_api")), API_VERSION)
    if type(version) is not int or version < 1:
        raise _broken(entry, f"its decda_api is {version!r}; it must be a positive integer such as {API_VERSION}")
    if version > API_VERSION:
        reason = f"it was written for version {version} of decda's contract, but this decda has version {API_VERSION}"
        raise _broken(entry, f"{reason}; upgrade decda, or install an older {entry.package}")
    if version == 1 and entry.kind == "head":
        raise _broken(entry, f"{VERSION_1_LOSS.format(signature='')}. Then set decda_api = {API_VERSION}")


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
