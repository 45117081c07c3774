"""The command line: errors become messages and exit codes; each command is a file of its own, loaded when called."""

import sys
from importlib import import_module

import click

from decda import __version__
from decda.commands.options import no_plugins
from decda.core.errors import ConfigError, DecdaError, TrainingDiverged
from decda.core.process.interrupts import Interrupted
from decda.core.process.launch import is_first_here, launched_rank
from decda.core.process.streams import mend_streams

COMMANDS = (
    *("check", "combine", "compare", "doctor", "evaluate", "export", "judge", "list-components", "new-plugin"),
    *("predict", "report", "reproduce", "runs", "show", "train"),
)
START = """\
decda clusters images that nobody has labelled. To start:
  decda train                               a first run, on handwritten digits
  decda train --images DIR --n-clusters 10  your own images: folder, .npy, .csv
  decda doctor                              check this machine; or decda --help"""
"""What is printed without a command."""
OPTIONS = {
    "augment": "--augment",
    "autoencoder": "--autoencoder",
    "data_root": "--data-root",
    "device": "--device",
    "embeddings": "--embeddings",
    "images": "--images",
    "listen": "--listen",
    "load": "--load",
    "n_clusters": "--n-clusters",
    "n_jobs": "--jobs",
    "offline": "--offline",
    "out": "--out",
    "scheduler": "--scheduler",
    "seed": "--seed",
    "start": "--start",
}
"""The option of each parameter that errors of the core may name."""
EVERYWHERE = (ConfigError, TrainingDiverged)
"""Errors that are the same in all processes that share a run on a machine; the first of them tells."""


def main() -> None:
    """Run the program; every error a user can make ends in one message and an exit code by kind."""
    mend_streams()
    try:
        code = cli.main(prog_name="decda", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except DecdaError as error:
        option = OPTIONS.get(error.parameter or "")
        rank = launched_rank()
        if is_first_here() or not isinstance(error, EVERYWHERE):
            process = f" in process {rank}" if rank else ""
            click.echo(f"Error{process}: {error}{f' Option: {option}' if option else ''}", err=True)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:  # Click raises its own instead of ours
        asked = error if isinstance(error, Interrupted) else error.__cause__
        if launched_rank() == 0:
            click.echo(f"\n{asked if isinstance(asked, Interrupted) else 'Interrupted.'}", err=True)
        code = asked.exit_code if isinstance(asked, Interrupted) else 130
    except MemoryError:
        click.echo("Error: Out of memory. Use smaller images, or run fewer jobs at once.", err=True)
        code = 1
    except OSError as error:  # a full disk, a folder removed while it was written to
        click.echo(f"Error: {error.filename or 'output'}: {error.strerror or error}", err=True)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


class _Group(click.Group):
    """The commands of `decda/commands/`, a file each, loaded when it is called."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        inner = name.replace("-", "_")
        command: click.Command = getattr(import_module(f"decda.commands.{inner}"), inner)
        return command


@click.group(
    cls=_Group,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@no_plugins
@click.pass_context
def cli(context: click.Context) -> None:
    """Deep embedded clustering with data augmentation, assembled from plugins.

    A run is a sentence of names: a data set, an encoder, a clustering head and an augmentation. `decda list-components`
    lists them.
    """
    if context.invoked_subcommand is None:
        click.echo(START)
