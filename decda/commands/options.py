"""Options shared by several commands, which select the available parts."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from decda.core.parts.discovery import switch_off_all
from decda.core.process.interrupts import EXIT_CODES

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from decda.core.parts.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path, readable=False)
"""The type of options that are paths. Whether one can be read shows when it is read, with the exit code by kind."""


class _Folder(click.Path):
    """A path that a shell completes by the names of folders alone."""

    def shell_complete(
        self, context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="dir")]


FOLDER = _Folder(path_type=Path, readable=False)
"""The type of arguments that are folders, such as those of runs; whether one is a folder shows likewise."""
SIGNALS = tuple(EXIT_CODES)
"""The signals at which runs are saved and the program ends."""


def _switch_off(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        switch_off_all()


no_plugins = click.option(
    "--no-plugins",
    is_flag=True,
    expose_value=False,
    callback=_switch_off,
    help="Ignore the parts of other packages. DECDA_DISABLE_PLUGINS=NAME,... ignores those of some.",
)


checkpoint_every = click.option(
    "--checkpoint-every",
    type=click.FloatRange(min=0),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="Seconds between two checkpoints of a run; 0: none.",
)


def choose_parts(command: F) -> F:
    """Add the options `--load` and `--no-plugins` to a command.

    Args:
        command: the command; it receives the files of `--load` as `load`, for `open_registry`.

    Returns:
        The command with both options.
    """
    load = click.option(
        "--load",
        type=PATH,
        multiple=True,
        metavar="FILE",
        help="Python file to load parts from.",
    )
    return load(no_plugins(command))


def choose_engine(command: F) -> F:
    """Add the options `--engine` and `--scheduler` to a command that makes several runs.

    Args:
        command: the command; it receives both, for `open_executor`.

    Returns:
        The command with both options.
    """
    engine = click.option(
        "--engine",
        type=click.Choice(["local", "dask"]),
        help="What makes the runs: this machine, or workers of Dask.  [default: local; dask with --scheduler]",
    )
    scheduler = click.option(
        "--scheduler", metavar="ADDRESS", help="Scheduler of Dask, such as tcp://host:8786.  [default: as Dask says]"
    )
    return engine(scheduler(command))


def open_executor(engine: str | None, scheduler: str | None) -> "AbstractContextManager[Executor | None]":
    """Connect to what makes the runs.

    Args:
        engine: as given.
        scheduler: as given.

    Returns:
        For a `with` statement, what gives an executor; None for this machine.

    Raises:
        DecdaError: Dask is missing or, on entry, no scheduler answers.
    """
    if engine == "local" and scheduler is not None:
        raise click.UsageError("--scheduler belongs to Dask, and --engine is local. Leave out one of the two.")
    if engine in (None, "local") and scheduler is None:
        return nullcontext()
    from decda.core.execution.engines import connect

    return connect(scheduler)


def open_registry(load: Sequence[Path]) -> "Registry":
    """Make a registry of all installed parts and of those in some files.

    Args:
        load: Python files, see `decda.core.parts.loading.load_file`.

    Returns:
        The registry.

    Raises:
        DecdaError: a file cannot be loaded, or adds no part.
    """
    from decda.core.parts.registry import Registry

    registry = Registry.discover()
    if load:
        from decda.core.parts.loading import load_file

        for path in load:
            load_file(registry, path)
    return registry
