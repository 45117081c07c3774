"""`decda reproduce`: reproduces the tables of the paper, beside the published figures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
from decda.core.process.allocator import keep_freed_memory
from decda.core.process.stdout import stdout_to_stderr
from decda.core.runs.naming import check_place
from decda.paper import ALGORITHMS, AUGMENT_IN, BASES, DATASETS, TABLES, published, title

BUDGETS: dict[str, tuple[str, ...]] = {
    "paper": (),
    "short": ("train.pretrain_epochs=30", "train.max_iter=600"),
}
"""The settings of each budget, which the user's settings override."""
OWN_PACKAGE = "decda"
"""The package whose recipes and data sets correspond to the published figures."""


@click.command()
@click.argument("table", type=click.Choice(TABLES), default="table3")
@click.option(
    "--algorithms", multiple=True, metavar="NAMES", help="Recipes, separated by commas.  [default: those of the table]"
)
@click.option(
    "--datasets", multiple=True, metavar="NAMES", help="Data sets, separated by commas.  [default: those of the paper]"
)
@click.option(
    "--trials", type=click.IntRange(1, 1000), default=5, show_default=True, metavar="N", help="Seeds per cell."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="S", help="The first seed.")
@click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Runs at once.  [default: cores; 4 on a GPU]")
@click.option(
    "--budget", type=click.Choice(list(BUDGETS)), default="paper", show_default=True, help="How long to train."
)
@click.option("--data-root", type=FOLDER, metavar="DIR", help="Folder of the data files.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Device to train on.  [default: auto]")
@click.option("--threads", type=click.IntRange(1, 256), metavar="N", help="Threads per run on a CPU.  [default: 1]")
@click.option("--offline", is_flag=True, help="Never use the network.")
@click.option("--set", "settings", multiple=True, metavar="PART.PARAMETER=VALUE", help="One setting for all cells.")
@click.option(
    "--out",
    type=PATH,
    metavar="DIR",
    help="Folder.  [default: runs/reproduce-TABLE]",
)
@click.option("--resume", is_flag=True, help="Continue an existing study; an error if there is none.")
@checkpoint_every
@choose_engine
@choose_parts
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def reproduce(
    table: str,
    algorithms: tuple[str, ...],
    datasets: tuple[str, ...],
    trials: int,
    seed: int,
    jobs: int | None,
    budget: str,
    data_root: Path | None,
    device: str | None,
    threads: int | None,
    offline: bool,
    settings: tuple[str, ...],
    out: Path | None,
    resume: bool,
    checkpoint_every: float,
    engine: str | None,
    scheduler: str | None,
    load: tuple[Path, ...],
    as_json: bool,
) -> int:
    """Reproduce the paper's tables.

    Runs every cell of a table with several seeds and shows the results beside the published figures.

    TABLE is table2 (the ablation study: augmentation in pretraining, in clustering, in both or in neither) or table3
    (the five algorithms with augmentation).

    If the command is started again with the same folder, with the same options or others, finished trials are kept and
    not run again, and interrupted ones go on. The folder contains results.csv (one row per trial), table.md, and the
    folder of each run. Cells with the same pretraining share one autoencoder per seed.
    """
    if table == "table2" and any(setting.strip().startswith("train.augment_in") for setting in settings):
        raise click.UsageError("The rows of table2 differ in train.augment_in, so it cannot be set. Leave it out.")
    out = out or Path("runs") / f"reproduce-{table}"
    check_place(out)
    if resume and not (out / "trials").is_dir():
        raise click.UsageError(f"There is no study to continue in {out}. Leave out --resume to start one there.")
    from decda.core.process.threads import limit_spinning

    limit_spinning()
    keep_freed_memory()
    from decda.console.study import StudyDisplay, print_study
    from decda.core.execution.engines import device_of
    from decda.core.execution.scheduling import require_alone
    from decda.core.files import Files
    from decda.core.process.interrupts import Interrupted, Interrupts
    from decda.core.studies.cells import prepare_cells
    from decda.core.studies.lock import check_folder
    from decda.core.studies.runner import run_study
    from decda.core.studies.trials import plan_trials

    require_alone()
    check_folder(out)
    all_settings = (*BUDGETS[budget], *settings)
    with Interrupts(SIGNALS) as interrupts, stdout_to_stderr(), open_executor(engine, scheduler) as executor:
        registry = open_registry(load)
        requests = _requests(registry, table, _names(algorithms), _names(datasets), all_settings, device)
        with StudyDisplay(f"{table}, {len(requests)} cells, {trials} trials each, budget {budget}") as display:
            files = Files(data_root, offline=offline or None, notify=display.reading)
            cells = prepare_cells(requests, registry, files)
            there = None if executor is None else device_of(executor, cells[0].config.device)
            planned = plan_trials(cells, range(seed, seed + trials), out, registry, device=there)
            try:
                study = run_study(
                    planned, registry, files, out,
                    settings=" ".join((budget, *settings)), executor=executor, n_jobs=jobs, threads=threads,
                    checkpoint_every=checkpoint_every, interrupts=interrupts, notify=display, on_start=display.start,
                )  # fmt: skip
            except Interrupted as error:
                raise Interrupted(error.name, f"{error} To go on: run the same command again.", out) from error
        print_study(study)
    click.echo(json.dumps(study.as_mapping()) if as_json else str(out))
    return study.exit_code


def _names(texts: tuple[str, ...]) -> list[str] | None:
    """Names separated by commas or blanks, without duplicates; None if the option was not used."""
    if not texts:
        return None
    names = list(dict.fromkeys(name for text in texts for name in text.replace(",", " ").split()))
    if not names:
        raise click.UsageError("Names are expected, separated by commas, as in usps,mnist-test; none was given.")
    return names


def _requests(
    registry: Any,
    table: str,
    algorithms: Sequence[str] | None,
    datasets: Sequence[str] | None,
    settings: Sequence[str],
    device: str | None,
) -> list[Any]:
    """The requested cells: row, column, configuration, published figures."""
    from decda.core.config.composition import compose
    from decda.core.studies.cells import CellRequest

    known = BASES if table == "table2" else ALGORITHMS
    requests = []
    for dataset in datasets or DATASETS:
        # A bare name refers to decda's own part first, which is the one with published figures.
        images = registry.find("dataset", dataset, prefer=OWN_PACKAGE)
        for algorithm in algorithms or known:
            recipe = registry.find("recipe", _by_title(algorithm), prefer=OWN_PACKAGE)
            for augment_in in AUGMENT_IN if table == "table2" else (None,):
                phase = () if augment_in is None else (f"train.augment_in={augment_in}",)
                config = compose(
                    registry,
                    recipe=recipe.qualified,
                    parts={"dataset": images.qualified},
                    settings=(*phase, *settings),
                    settings_origin="--set",
                    device=device,
                )
                augmented = config.train.augment_in
                row, column = _shown(recipe), _shown(images)
                requests.append(CellRequest(title(row, augmented), column, config, published(row, augmented, column)))
    return requests


def _by_title(name: str) -> str:
    """The recipe with a name, which may be the name in the paper: `FcDEC-DA`."""
    by_title = {shown.lower(): recipe for recipe, shown in (BASES | ALGORITHMS).items()}
    return by_title.get(name.lower(), name)


def _shown(entry: Any) -> str:
    """The name of a part, with the package unless it is decda's own."""
    name: str = entry.name if entry.package == OWN_PACKAGE else entry.qualified
    return name
