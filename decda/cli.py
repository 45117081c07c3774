"""The command line: words in, an experiment out. No training logic; what is heavy is imported by the command."""

import json
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import click

from decda import __version__
from decda.commands.options import choose_parts, no_plugins, open_registry
from decda.core.errors import BrokenComponent, DecdaError, InvalidParameter
from decda.core.parts.discovery import KINDS
from decda.core.process.allocator import keep_freed_memory
from decda.core.process.stdout import lead_to_stderr

F = TypeVar("F", bound=Callable[..., Any])


def main() -> None:
    """Run the program; every error a user can make ends in one message and an exit code by kind."""
    try:
        code = cli.main(prog_name="decda", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except DecdaError as error:
        click.echo(f"Error: {error}", err=True)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nInterrupted.", err=True)
        code = 130
    except OSError as error:  # a full disk, a folder removed while it was written to
        click.echo(f"Error: {error.filename or 'output'}: {error.strerror or error}", err=True)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


class _Group(click.Group):
    """The commands of this file, and those of `decda/commands/`, a file each, loaded when it is asked for."""

    elsewhere = ("check", "evaluate", "new-plugin", "reproduce")

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted((*super().list_commands(context), *self.elsewhere))

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self.elsewhere:
            return super().get_command(context, name)
        inner = name.replace("-", "_")
        command: click.Command = getattr(import_module(f"decda.commands.{inner}"), inner)
        return command


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, message="%(prog)s %(version)s")
@no_plugins
def cli() -> None:
    """Deep embedded clustering with data augmentation, assembled from plugins.

    A run is a sentence of names: a data set, an encoder, a clustering head and an augmentation. See them with
    `decda list-components`.
    """


def _names(kind: str) -> Any:
    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        from decda.core.parts.registry import Registry

        return [name for name in Registry.discover().names(kind) if name.startswith(incomplete)]

    return complete


def _part(kind: str, text: str) -> Callable[[F], F]:
    return click.option(f"--{kind}", metavar="NAME", help=text, shell_complete=_names(kind))


def _read_seeds(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    from decda.core.studies.seeds_result import parse_seeds

    try:
        return None if text is None else parse_seeds(text)
    except InvalidParameter as error:
        raise click.BadParameter(str(error), context, parameter) from error


@cli.command()
@_part("recipe", "Named composition to start from.  [default: quick]")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Configuration (TOML) to start from.")
@_part("encoder", "Autoencoder.")
@_part("head", "Clustering objective.")
@_part("augment", "Augmentation.")
@_part("dataset", "Images to cluster.")
@click.option("--data-root", type=click.Path(path_type=Path), metavar="DIR", help="Where data files are kept.")
@click.option("--n-clusters", type=int, metavar="K", help="Number of clusters; else that of the data set's classes.")
@click.option("--seed", type=int, metavar="S", help="Seed of every random draw.  [default: 0]")
@click.option("--seeds", callback=_read_seeds, metavar="SEEDS", help="Several seeds side by side: 0-4 or 0,2,5.")
@click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Runs at once with --seeds; else by cores.")
@click.option("--autoencoder", metavar="RUN_OR_FILE", help="Start from pretrained weights: a run's folder or a file.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), help="Where to train.  [default: auto]")
@click.option(
    "--threads", type=click.IntRange(1, 256), metavar="N", help="Threads of a run; else by cores, 1 with --seeds."
)
@click.option("--offline", is_flag=True, help="Never touch the network.")
@click.option("--set", "settings", multiple=True, metavar="PART.PARAMETER=VALUE", help="One setting; may be repeated.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the run; must not exist.")
@choose_parts
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def train(
    recipe: str | None,
    config: Path | None,
    data_root: Path | None,
    seeds: tuple[int, ...] | None,
    jobs: int | None,
    threads: int | None,
    offline: bool,
    settings: tuple[str, ...],
    out: Path | None,
    load: tuple[Path, ...],
    as_json: bool,
    **chosen: Any,
) -> int:
    """Cluster images: pretrain an autoencoder, place the centers, cluster.

    Settings lie one over the other: recipe, configuration file, named parts and options, --set. What a part can be
    set to: `decda show head idec`. The run's folder holds the labels, the model and all that is needed to repeat it.
    With --seeds it holds such a folder for each seed, and their mean and standard deviation.
    """
    if seeds is not None and chosen["seed"] is not None:
        raise click.UsageError("--seed names one seed and --seeds several. Leave one of them out.")
    if seeds is None and jobs is not None:
        raise click.UsageError("--jobs says how many of several seeds run at once. Name them, as --seeds 0-4.")
    from decda.core.process.threads import choose_threads, spin_briefly

    spin_briefly()  # both before a part that is read imports torch
    keep_freed_memory()
    from decda.core.config.composition import compose
    from decda.core.runs.folder import refuse_existing

    if out is not None:
        refuse_existing(out)

    with lead_to_stderr():
        registry = open_registry(load)
        options = {name: chosen.pop(name) for name in ("n_clusters", "seed", "device", "autoencoder")}
        run_config = compose(registry, recipe=recipe, config=config, parts=chosen, settings=settings, **options)

        import torch

        torch.set_num_threads(choose_threads(threads))
        where = {"data_root": data_root, "offline": offline or None}
        if seeds is None:
            done, code = _train_one(run_config, registry, where, out), 0
        else:
            done = _train_seeds(run_config, registry, where, out, seeds, jobs, threads)
            code = done.exit_code
    click.echo(json.dumps(done.as_mapping()) if as_json else str(done.path))
    return code


def _train_one(config: Any, registry: Any, where: Mapping[str, Any], out: Path | None) -> Any:
    from decda.console import ProgressDisplay, print_result
    from decda.core.files import Files
    from decda.core.runs.experiment import run

    with ProgressDisplay(config) as display:
        result = run(config, registry, Files(**where, notify=display), out=out, notify=display)
    print_result(result.as_mapping(), result.labels.bincount(minlength=result.config.n_clusters or 0).tolist())
    return result


def _train_seeds(
    config: Any,
    registry: Any,
    where: Mapping[str, Any],
    out: Path | None,
    seeds: tuple[int, ...],
    jobs: int | None,
    threads: int | None,
) -> Any:
    from decda.console import SeedsDisplay, print_series
    from decda.core.files import Files
    from decda.core.studies.seeds import run_seeds

    with SeedsDisplay(config, seeds) as display:
        files = Files(**where, notify=display.download)
        series = run_seeds(config, registry, files, seeds, out=out, at_once=jobs, threads=threads, notify=display)
    print_series(series)
    return series


@cli.command("list-components")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as one JSON object.")
@click.option("--verbose", is_flag=True, help="Load each part, show its parameters and what fails.")
@choose_parts
def list_components(kind: str | None, as_json: bool, verbose: bool, load: tuple[Path, ...]) -> None:
    """List every registered part: encoders, heads, augmentations, data sets, recipes."""
    from decda.core.config.listing import describe

    with lead_to_stderr():
        registry = open_registry(load)
        rows = [describe(registry, entry, load=verbose) for entry in registry if kind in (None, entry.kind)]
    if as_json:
        found = {"components": rows, "problems": registry_problems(registry), "switched_off": switched_off(registry)}
        click.echo(json.dumps({"schema_version": 1, **found}))
        return
    from decda.console import print_components

    print_components(rows, registry_problems(registry), switched_off(registry))


def registry_problems(registry: Any) -> list[dict[str, str]]:
    """Defects of installed packages that cannot be pinned to a part."""
    return [{"package": p.package, "version": p.version, "file": p.file, "reason": p.reason} for p in registry.problems]


def switched_off(registry: Any) -> list[str]:
    """Packages that are left out, with their versions."""
    return sorted({entry.owner for entry in registry.switched_off})


@cli.command()
@click.argument("kind", type=click.Choice([*KINDS, "train"]))
@click.argument("name", required=False)
@choose_parts
@click.option("--json", "as_json", is_flag=True, help="Print as one JSON object.")
def show(kind: str, name: str | None, load: tuple[Path, ...], as_json: bool) -> None:
    """Show one part: what it is, where it comes from, and what it can be set to.

    `decda show train` shows the settings of training itself.
    """
    from decda.core.config.listing import describe, describe_parameters

    if kind == "train":
        from decda.console import print_parameters
        from decda.core.config.run_config import TRAIN_PARAMETERS

        rows = describe_parameters(TRAIN_PARAMETERS)
        if as_json:
            click.echo(json.dumps({"schema_version": 1, "kind": "train", "parameters": rows}))
        else:
            print_parameters("train", rows)
        return
    if name is None:
        raise click.UsageError(f"Name the {kind} to show; `decda list-components {kind}` lists them.")
    with lead_to_stderr():
        registry = open_registry(load)
        entry = registry.find(kind, name)
        registry.load(entry)
        row = describe(registry, entry, load=True)
    if row["status"] == "broken":
        raise BrokenComponent(row["error"])
    if as_json:
        click.echo(json.dumps({"schema_version": 1, **row}))
        return
    from decda.console import print_component

    print_component(row)
