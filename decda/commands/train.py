"""`decda train`: clusters images with one seed or several."""

import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

import click

from decda.commands.options import choose_parts, open_registry
from decda.core.errors import InvalidParameter
from decda.core.process.allocator import keep_freed_memory
from decda.core.process.stdout import stdout_to_stderr

F = TypeVar("F", bound=Callable[..., Any])


def _names(kind: str) -> Any:
    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        from decda.core.parts.registry import Registry

        return [name for name in Registry.discover().names(kind) if name.startswith(incomplete)]

    return complete


def _part(kind: str, text: str) -> Callable[[F], F]:
    return click.option(f"--{kind}", metavar="NAME", help=text, shell_complete=_names(kind))


def _read_seeds(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    from decda.core.studies.seed_ranges import parse_seeds

    try:
        return None if text is None else parse_seeds(text)
    except InvalidParameter as error:
        raise click.BadParameter(str(error), context, parameter) from error


@click.command()
@_part("recipe", "Named composition to start from.  [default: quick]")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Configuration file (TOML) to use.")
@_part("encoder", "Autoencoder.")
@_part("head", "Clustering objective.")
@_part("augment", "Augmentation.")
@_part("dataset", "Images to cluster.")
@click.option("--data-root", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the data files.")
@click.option("--n-clusters", type=int, metavar="K", help="Number of clusters.  [default: the data set's classes]")
@click.option("--seed", type=int, metavar="S", help="Seed of every random draw.  [default: 0]")
@click.option("--seeds", callback=_read_seeds, metavar="SEEDS", help="Several seeds, run in parallel: 0-4 or 0,2,5.")
@click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Runs at once.  [default: cores; 4 on a GPU]")
@click.option(
    "--autoencoder", metavar="RUN_OR_FILE", help="Pretrained weights to start from: a run's folder or a file."
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), help="Device to train on.  [default: auto]"
)
@click.option(
    "--threads", type=click.IntRange(1, 256), metavar="N", help="Threads per run.  [default: cores; 1 with --seeds]"
)
@click.option("--offline", is_flag=True, help="Never use the network.")
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
    """Cluster images with a composition of parts.

    Pretrains an autoencoder, places the cluster centers, and clusters. Each source of settings overrides the previous
    one: recipe, configuration file, named parts and options, --set. `decda show head idec` lists the parameters of a
    part. The run's folder contains the labels, the model, and everything that is needed to repeat the run. With --seeds
    it contains such a folder for each seed, and the mean and standard deviation of their scores.
    """
    if seeds is not None and chosen["seed"] is not None:
        raise click.UsageError("--seed sets one seed and --seeds several. Leave out one of the two options.")
    if seeds is None and jobs is not None:
        raise click.UsageError("--jobs limits how many seeds run at once. It needs --seeds, as in --seeds 0-4.")
    from decda.core.process.threads import choose_threads, limit_spinning

    limit_spinning()  # both must be called before a part imports torch
    keep_freed_memory()
    from decda.core.config.composition import compose
    from decda.core.runs.naming import refuse_existing

    if out is not None:
        refuse_existing(out)

    signal.signal(signal.SIGTERM, _interrupt)  # a run that is told to end says so in its provenance
    with stdout_to_stderr():
        registry = open_registry(load)
        options = {name: chosen.pop(name) for name in ("n_clusters", "seed", "device", "autoencoder")}
        run_config = compose(
            registry, recipe=recipe, config=config, parts=chosen, settings=settings, settings_origin="--set", **options
        )

        import torch

        torch.set_num_threads(choose_threads(threads))
        where = {"data_root": data_root, "offline": offline or None}
        if seeds is None:
            done, code = _train_one(run_config, registry, where, out), 0
        else:
            done = _train_seeds(run_config, registry, where, out, seeds, jobs, threads)
            code = done.exit_code
    click.echo(json.dumps(done.as_mapping()) if as_json else str(done.folder))
    return code


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _train_one(config: Any, registry: Any, where: Mapping[str, Any], out: Path | None) -> Any:
    from decda.console import ProgressDisplay, print_result
    from decda.core.files import Files
    from decda.core.runs.experiment import run

    with ProgressDisplay(config) as display:
        result = run(config, registry, Files(**where, notify=display), out=out, notify=display)
    print_result(result.as_mapping(), result.sizes)
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
    from decda.console import SeedsDisplay, print_seeds_result
    from decda.core.files import Files
    from decda.core.studies.seeds import run_seeds

    with SeedsDisplay(config, seeds) as display:
        files = Files(**where, notify=display.download)
        result = run_seeds(config, registry, files, seeds, out=out, n_jobs=jobs, threads=threads, notify=display)
    print_seeds_result(result)
    return result
