"""`decda train`: clusters images with one seed or several."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from decda.commands.options import (
    FOLDER,
    PATH,
    SIGNALS,
    checkpoint_every,
    choose_engine,
    choose_parts,
    open_executor,
    open_registry,
)
from decda.core.errors import DecdaError, EngineError, InvalidParameter
from decda.core.process.allocator import keep_freed_memory
from decda.core.process.stdout import stdout_to_stderr

if TYPE_CHECKING:
    from decda.core.parts.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])
REPORT_FILE = "report.html"
"""In the folder of a run, or of several seeds."""


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


def _read_clusters(context: click.Context, parameter: click.Parameter, text: str | None) -> int | str | None:
    if text is None or text == "auto":
        return text
    try:
        return int(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is neither a whole number nor auto.", context, parameter) from error


def _read_path(context: click.Context, parameter: click.Parameter, text: str | None) -> Path | None:
    if text is not None and not text.strip():  # a variable of the shell that is not set; Path("") is this folder
        raise click.BadParameter("the path is empty. For the current folder, give a dot.", context, parameter)
    return None if text is None else Path(text)


@click.command()
@_part("recipe", "Named composition to start from.  [default: quick; for --images, auto]")
@click.option(
    "--config",
    type=PATH,
    metavar="FILE",
    help="Configuration file (TOML) to use.",
)
@_part("encoder", "Autoencoder.")
@_part("head", "Clustering objective.")
@_part("augment", "Augmentation.")
@_part("start", "Clustering of the pretrained embedding to start from.")
@_part("dataset", "Registered data set to cluster.")
@click.option(
    "--images", callback=_read_path, metavar="PATH", help="Your own: a folder of images, or .npy, .npz, .csv."
)
@click.option("--data-root", type=FOLDER, metavar="DIR", help="Folder of the data files.")
@click.option(
    "--n-clusters", callback=_read_clusters, metavar="K", help="Number, or auto.  [default: the data set's classes]"
)
@click.option("--seed", type=int, metavar="S", help="Seed of every random draw.  [default: 0]")
@click.option("--seeds", callback=_read_seeds, metavar="SEEDS", help="Several seeds, run in parallel: 0-4 or 0,2,5.")
@click.option(
    "--keep",
    type=click.Choice(["all", "best"]),
    help="With --seeds: print the folder of all, or of the run to use, chosen without labels.  [default: all]",
)
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
@click.option("--out", type=PATH, metavar="DIR", help="Folder of the run; must not exist.")
@click.option(
    "--resume",
    type=FOLDER,
    metavar="RUN",
    help="Go on with an interrupted run, in its folder.",
)
@click.option(
    "--listen",
    multiple=True,
    metavar="NAME",
    help="Registered listener that follows the run, such as tensorboard; may be repeated.",
    shell_complete=_names("listener"),
)
@click.option("--no-report", is_flag=True, help="Write no report.  [default: as DECDA_NO_REPORT says]")
@checkpoint_every
@choose_engine
@choose_parts
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def train(
    recipe: str | None,
    config: Path | None,
    images: Path | None,
    data_root: Path | None,
    seeds: tuple[int, ...] | None,
    keep: str | None,
    jobs: int | None,
    threads: int | None,
    offline: bool,
    settings: tuple[str, ...],
    out: Path | None,
    resume: Path | None,
    listen: tuple[str, ...],
    no_report: bool,
    checkpoint_every: float,
    engine: str | None,
    scheduler: str | None,
    load: tuple[Path, ...],
    as_json: bool,
    **chosen: Any,
) -> int:
    """Cluster images with a composition of parts.

    Pretrains an autoencoder, places the cluster centers, and clusters. Each source of settings overrides the previous
    one: recipe, configuration file, named parts and options, --set. `decda show head idec` lists the parameters of a
    part. The run's folder contains the labels, the model, and everything that is needed to repeat the run. With --seeds
    it contains such a folder for each seed, and the mean and standard deviation of their scores.

    By default a run is saved every minute. Ctrl-C, SIGTERM and SIGUSR1 save it and end it; --resume goes on as if
    nothing had happened.
    """
    if seeds is not None and chosen["seed"] is not None:
        raise click.UsageError("--seed sets one seed and --seeds several. Leave out one of the two options.")
    if resume is not None and out is not None:
        raise click.UsageError("--resume goes on in the folder of the run, so --out has no place. Leave it out.")
    if images is not None and chosen["dataset"] is not None:
        raise click.UsageError("--images and --dataset both say what to cluster. Leave out one of the two options.")
    if no_report and {"report", "decda:report"} & set(listen):
        raise click.UsageError(
            "--listen report asks for what --no-report leaves out. Leave out one of the two options."
        )
    from decda.core.process.interrupts import Interrupted, Interrupts
    from decda.core.process.launch import launched_rank
    from decda.core.process.threads import choose_threads, limit_spinning

    limit_spinning()  # both must be called before a part imports torch
    keep_freed_memory()
    from decda.core.config.composition import compose
    from decda.core.config.own_images import instead, own_images
    from decda.core.execution.scheduling import require_alone
    from decda.core.files import Files
    from decda.core.runs.listening import default_listeners
    from decda.core.runs.naming import check_out
    from decda.core.runs.opening import ImageOpener

    if resume is None and launched_rank() == 0:
        check_out(out)

    with Interrupts(SIGNALS) as interrupts, stdout_to_stderr():
        registry = open_registry(load)
        if images is not None:
            chosen["dataset"] = own_images(images) if resume is not None else instead(own_images(images))
        opener = ImageOpener(registry, Files(data_root, offline=offline or None))
        options = {name: chosen.pop(name) for name in ("n_clusters", "seed", "device", "autoencoder")}
        words = {
            "recipe": recipe, "config": config, "parts": chosen, "settings": settings, "settings_origin": "--set",
            **options,
        }  # fmt: skip
        if resume is None:
            run_config = compose(registry, look=opener, **words)
        else:
            run_config, seeds, threads = _reopen(resume, registry, words, seeds, threads)
        if seeds is None and keep is not None:
            raise click.UsageError("--keep chooses between several seeds. It needs --seeds, as in --seeds 0-4.")
        if seeds is None and jobs is not None:
            raise click.UsageError("--jobs limits how many seeds run at once. It needs --seeds, as in --seeds 0-4.")
        if seeds is None and (engine, scheduler) != (None, None):
            raise click.UsageError("--engine makes several seeds elsewhere. It needs --seeds, as in --seeds 0-4.")

        import torch

        if seeds is not None:
            require_alone()
        torch.set_num_threads(choose_threads(threads))
        where = {"data_root": data_root, "offline": offline or None}
        choice = opener.choice(run_config)
        how = {
            "images": opener.opened(run_config), "out": out if resume is None else resume, "resume": resume is not None,
            "checkpoint_every": checkpoint_every, "interrupts": interrupts,
            "listen": [*default_listeners(registry, False if no_report else None), *listen],
        }  # fmt: skip
        try:
            if seeds is None:
                done, code = _train_one(run_config, registry, where, choice, how), 0
            else:
                how |= {"n_jobs": jobs, "threads": threads}
                with open_executor(engine, scheduler) as executor:
                    done = _train_seeds(run_config, registry, where, choice, seeds, {**how, "executor": executor})
                code = done.exit_code
        except (Interrupted, EngineError) as error:
            if error.folder is None:
                raise
            again = resume_command(error.folder, data_root, load, listen, no_report, engine, scheduler)
            told = f"{error} To go on: {again}"
            if isinstance(error, EngineError):
                raise EngineError(told, folder=error.folder) from error
            raise Interrupted(error.name, told, error.folder) from error
    if launched_rank() > 0:  # the first process says what came of the run
        return code
    folder = done.folder
    if keep == "best" and done.best is not None:
        folder = done.best.result["run"]
    elif keep == "best" and done.undecided:
        click.echo("--keep best: no seed was chosen, see above; this is the folder of all.", err=True)
    click.echo(json.dumps(done.as_mapping()) if as_json else str(folder))
    page = done.folder / REPORT_FILE
    if page.exists() and not as_json:
        click.echo(f"Look at it in a browser: {page}", err=True)
    return code


def _reopen(
    path: Path, registry: "Registry", words: Mapping[str, Any], seeds: tuple[int, ...] | None, threads: int | None
) -> tuple[Any, tuple[int, ...] | None, int | None]:
    """The configuration, the seeds and the number of threads of a run, or of several seeds, to go on with."""
    from decda.core.config.provenance_hints import provenance_beside
    from decda.core.process.threads import is_thread_count
    from decda.core.runs.resuming import resumed_config
    from decda.core.runs.run_folder import CONFIG
    from decda.core.studies.seeds_plan import read_seeds

    found = read_seeds(path)
    config = resumed_config(path, registry, **words)
    if found is None:
        if seeds is not None:
            raise click.UsageError(f"{path} is the folder of one run, not of several seeds. Leave out --seeds.")
        former = provenance_beside(path / CONFIG).get("threads")
        return config, None, threads or (former if is_thread_count(former) else None)
    if words["seed"] is not None or (seeds is not None and list(seeds) != found["seeds"]):
        numbers = ", ".join(map(str, found["seeds"]))
        raise click.UsageError(f"{path} is for the seeds {numbers}. Leave out --seed and --seeds.")
    return replace(config, recipe=found["recipe"]), tuple(found["seeds"]), threads or found["threads"]


def resume_command(
    folder: Path,
    data_root: Path | None = None,
    load: Sequence[Path] = (),
    listen: Sequence[str] = (),
    no_report: bool = False,
    engine: str | None = None,
    scheduler: str | None = None,
) -> str:
    """The command that goes on with an interrupted run.

    Args:
        folder: of the run.
        data_root: as it was given.
        load: as it was given.
        listen: as it was given.
        no_report: as it was given.
        engine: as it was given.
        scheduler: as it was given.

    Returns:
        A line for a shell.

    Example:
        >>> resume_command(Path("my runs/1"), Path("data"))
        "decda train --resume 'my runs/1' --data-root data"
    """
    words = ["decda", "train", "--resume", str(folder)]
    words += ["--data-root", str(data_root)] if data_root is not None else []
    words += [word for file in load for word in ("--load", str(file))]
    words += [word for name in listen for word in ("--listen", name)]
    words += ["--no-report"] if no_report else []
    words += ["--engine", engine] if engine is not None else []
    words += ["--scheduler", scheduler] if scheduler is not None else []
    return shlex.join(words)


def _train_one(config: Any, registry: Any, where: Mapping[str, Any], choice: str, how: Mapping[str, Any]) -> Any:
    from decda.console import ProgressDisplay, print_result
    from decda.core.files import Files
    from decda.core.process.launch import launched_rank, launched_size
    from decda.core.runs.experiment import run

    if launched_rank() > 0:
        return run(config, registry, Files(**where), **how)
    if launched_size() > 1:
        choice = f"{choice}{'; ' if choice else ''}shared by {launched_size()} processes"
    with ProgressDisplay(config, choice=choice) as display:
        result = run(config, registry, Files(**where, notify=display), notify=display, **how)
    print_result(result.as_mapping(), result.sizes)
    return result


def _train_seeds(
    config: Any,
    registry: Any,
    where: Mapping[str, Any],
    choice: str,
    seeds: tuple[int, ...],
    how: Mapping[str, Any],
) -> Any:
    from decda.console import SeedsDisplay, print_seeds_result
    from decda.core.files import Files
    from decda.core.studies.seeds import run_seeds

    with SeedsDisplay(config, seeds, choice=choice) as display:
        files = Files(**where, notify=display.reading)
        result = run_seeds(config, registry, files, seeds, notify=display, **how)
    print_seeds_result(result)
    if result.finished and any(name.rpartition(":")[2] == "report" for name in how["listen"]):
        _compare_seeds(result.folder)
    return result


def _compare_seeds(folder: Path) -> None:
    """Write a page that compares the seeds beside them; their results are there whether or not that succeeds."""
    from decda.core.studies.comparison import compare
    from decda.core.studies.comparison_page import page_of

    try:
        page_of(compare([folder]), folder.name).save(folder / REPORT_FILE)
    except DecdaError as error:
        click.echo(f"No page compares the seeds: {error}", err=True)
