"""Listeners of a run: found and checked before there is a folder, made in it, and guarded, so that none costs a run."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch

from decda.core.errors import ContractViolation, in_a_line
from decda.core.events import Event, ListenerFailed
from decda.core.parts.entries import Entry
from decda.core.parts.parameters import supplied_names
from decda.core.parts.registry import Component, Registry
from decda.core.runs.assembly import guarded, owner_of

KIND = "listener"
REPORT = "decda:report"
"""The listener of `decda train` and `decda.train`, unless they are told otherwise."""
NO_REPORT_VARIABLE = "DECDA_NO_REPORT"
"""Environment variable by which no report is written: any value but nothing, 0 and false."""
CHECK = "check"
"""The attribute of a factory that is called before there is a folder, where it has one."""


def default_listeners(registry: Registry, report: bool | None = None) -> tuple[str, ...]:
    """The listeners of a run for which none are named.

    Args:
        registry: where they are.
        report: whether a report is written; None: if the registry holds what writes it, and the variable
            `DECDA_NO_REPORT` does not forbid it.

    Returns:
        Their names.

    Example:
        >>> default_listeners(Registry(), report=True), default_listeners(Registry(), report=False)
        (('decda:report',), ())
    """
    if report is None:
        allowed = os.environ.get(NO_REPORT_VARIABLE, "").strip().lower() in ("", "0", "false")
        report = allowed and any((entry.kind, entry.qualified) == (KIND, REPORT) for entry in registry)
    return (REPORT,) if report else ()


def find_listeners(names: Sequence[str], registry: Registry) -> tuple[Component, ...]:
    """Find listeners, import them, and let them check what they need; none is made yet.

    Args:
        names: of the listeners; one that is named twice is found once.
        registry: where they are.

    Returns:
        Their components, in the order of their names.

    Raises:
        UnknownComponent: there is no such listener.
        AmbiguousComponent: several packages provide it.
        BrokenComponent: it cannot be imported, or its check fails.
        ContractViolation: it asks for more than the folder of the run.
        DecdaError: its check refuses the run, as where a package is missing.
    """
    entries = dict.fromkeys(registry.find(KIND, name) for name in names)
    components = tuple(registry.load(entry) for entry in entries)
    for component in components:
        owner, wanted = owner_of(component), supplied_names(component.factory)
        if wanted != ("folder",):
            raise ContractViolation(f"{owner} must take folder, and nothing else, before the star, not {wanted}.")
        unset = [parameter.name for parameter in component.parameters if parameter.required]
        if unset:
            raise ContractViolation(
                f"{owner} needs a value for '{unset[0]}', but a listener is made by its name alone. Its parameters "
                "must have defaults."
            )
        check = getattr(component.factory, CHECK, None)
        if callable(check):
            guarded(owner, check, "failed its check")
    return components


class Listeners:
    """The listeners of a run, called as one; one that raises is told, and left out from then on.

    Args:
        components: from `find_listeners`.
        notify: gets a `ListenerFailed` for each that fails, at most one.
    """

    def __init__(self, components: Sequence[Component], notify: Callable[[Event], None]):
        self.components = components
        self.notify = notify
        self._made: list[tuple[Entry, Any]] = []
        self._failed: set[Entry] = set()

    def make(self, folder: Path) -> None:
        """Make them all.

        Args:
            folder: of the run; it exists.
        """
        for component in self.components:
            self._guard(component.entry, partial(self._make, component, folder))

    def __call__(self, event: Event) -> None:
        """Pass on an event.

        Args:
            event: of the run.
        """
        for entry, listener in self._made:
            if entry not in self._failed:
                self._guard(entry, partial(listener, event))

    def close(self) -> None:
        """Close those that can be closed, once, also those that have failed."""
        made, self._made = self._made, []
        with ExitStack() as stack:  # an interrupt in one of them leaves none open
            for entry, listener in reversed(made):
                stack.callback(self._guard, entry, partial(_close, listener))

    def _make(self, component: Component, folder: Path) -> None:
        listener = component.factory(folder)
        if not callable(listener):
            raise ContractViolation(f"it makes a {type(listener).__name__}, which cannot be called with an event")
        self._made.append((component.entry, listener))

    def _guard(self, entry: Entry, call: Callable[[], object]) -> None:
        """Run code of a listener: it may fail, but neither it nor the libraries that it calls change the training."""
        threads = torch.get_num_threads()
        try:
            with torch.no_grad():
                call()
        except (Exception, SystemExit) as error:  # a plugin may raise anything; interrupts pass
            if entry not in self._failed:
                self._failed.add(entry)
                self.notify(ListenerFailed(entry.name, entry.owner, in_a_line(error)))
        finally:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)


def _close(listener: Any) -> None:
    close = getattr(listener, "close", None)
    if callable(close):
        close()
