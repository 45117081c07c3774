"""Options that several commands share: which parts there are."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from decda.core.parts.discovery import switch_off_all

if TYPE_CHECKING:
    from decda.core.parts.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])


def _switch_off(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        switch_off_all()


no_plugins = click.option(
    "--no-plugins",
    is_flag=True,
    expose_value=False,
    callback=_switch_off,
    help="Leave out the parts of other packages. DECDA_DISABLE_PLUGINS=NAME,... leaves out those of some.",
)


def choose_parts(command: F) -> F:
    """Give a command `--load` and `--no-plugins`; `open_registry(load)` takes the former."""
    load = click.option(
        "--load", type=click.Path(path_type=Path), multiple=True, metavar="FILE", help="Python file with parts to add."
    )
    return load(no_plugins(command))


def open_registry(load: Sequence[Path]) -> "Registry":
    """All registered parts, and those of the files.

    Raises:
        DecdaError: a file fails, or adds nothing.
    """
    from decda.core.parts.registry import Registry

    registry = Registry.discover()
    if load:
        from decda.core.parts.loading import load_file

        for path in load:
            load_file(registry, path)
    return registry
