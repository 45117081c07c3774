"""Does a criterion that knows no classes find the run that is best by ACC?

    python benchmarks/criteria.py runs/usps runs/mnist-test

Takes folders of finished runs, or folders that hold such folders at any depth. Runs on the same images are ordered by
each criterion of `decda judge`, and this order is compared with that by ACC. Only this script looks at ACC, and chooses
nothing by it.
"""

import itertools
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import finished
import measure
import torch
from scipy.stats import spearmanr

from decda.core.config.composition import compose
from decda.core.files import Files
from decda.core.judging.judgement import judge
from decda.core.judging.reasons import BETTER
from decda.core.parts.registry import Registry
from decda.core.runs.best import highest
from decda.core.runs.experiment import run
from decda.core.runs.inference import load_run
from decda.core.runs.reading import read_run
from decda.core.runs.run import Run

FEW = 5
"""Runs among which one is chosen, as of `--seeds 0-4`."""
DRAWS = 1000
"""Most choices among so few runs over which a mean is taken."""


def load(folders: Sequence[Path], registry: Registry) -> dict[str, list[Run]]:
    """Load runs that have an ACC, and group those on the same images into as many clusters.

    Args:
        folders: of finished runs.
        registry: where their parts are.

    Returns:
        The runs of each group, under a key of its own.
    """
    groups: dict[str, list[Run]] = {}
    for path in folders:
        loaded = load_run(path, registry, device="cpu")
        if loaded.metrics["acc"] is not None:
            key = f"{read_run(path)[1].get('data_sha256')} {loaded.config.n_clusters}"
            groups.setdefault(key, []).append(loaded)
    return groups


def correlation(values: Sequence[float | None], acc: Sequence[float]) -> float | None:
    """Compute Spearman's rank correlation of a criterion with ACC.

    Args:
        values: of each run, higher for a better one; None where it is not defined, and the run is left out.
        acc: of each run.

    Returns:
        A number in [-1, 1]; None if all values are equal, or all ACC are.
    """
    pairs = [(value, score) for value, score in zip(values, acc, strict=True) if value is not None]
    if any(len(set(side)) < 2 for side in zip(*pairs, strict=True)) or not pairs:
        return None
    return float(spearmanr(*zip(*pairs, strict=True)).statistic)


def regret(values: Sequence[float | None], acc: Sequence[float]) -> float:
    """Compute what is lost by choosing a run by a criterion.

    Args:
        values: of each run, higher for a better one.
        acc: of each run.

    Returns:
        ACC of the best run, minus ACC of the chosen one; of an average run, if nothing can be chosen by.
    """
    chosen = highest(values)
    return max(acc) - (statistics.fmean(acc) if chosen is None else acc[chosen])


def regret_of_few(values: Sequence[float | None], acc: Sequence[float], n: int = FEW) -> float:
    """Compute the mean regret of choosing among a few of the runs.

    Args:
        values: of each run, higher for a better one.
        acc: of each run.
        n: among how many.

    Returns:
        The mean over all choices of so many runs, or over some of them where there are too many.
    """
    n = min(n, len(acc))
    choices = list(itertools.islice(itertools.combinations(range(len(acc)), n), DRAWS + 1))
    if len(choices) > DRAWS:
        rng = random.Random(0)
        choices = [tuple(rng.sample(range(len(acc)), n)) for _ in range(DRAWS)]
    return statistics.fmean(regret([values[i] for i in few], [acc[i] for i in few]) for few in choices)


def compare(runs: Sequence[Run], registry: Registry, files: Files) -> dict[str, Any]:
    """Compare each criterion with ACC, over runs on the same images.

    Args:
        runs: with an ACC each.
        registry: where their data set is.
        files: where its files are.

    Returns:
        The data set, the spread of ACC, and what each criterion comes to.
    """
    judged = judge(runs, registry, files).runs
    acc = [float(each.run.metrics["acc"] or 0) for each in judged]
    rows: dict[str, dict[str, float | None]] = {}
    for name, sign in BETTER.items():
        found = [each.criteria[name] for each in judged]
        values = [None if value is None else sign * value for value in found]
        rows[name] = {
            "spearman": correlation(values, acc),
            "regret": regret(values, acc),
            "regret_of_few": regret_of_few(values, acc),
        }
    nothing: list[None] = [None] * len(acc)
    rows["any run"] = {"spearman": None, "regret": regret(nothing, acc), "regret_of_few": regret_of_few(nothing, acc)}
    config = judged[0].run.config
    return {
        "dataset": config.dataset.short,
        "n_clusters": config.n_clusters,
        "n_runs": len(acc),
        "acc": {"lowest": min(acc), "mean": statistics.fmean(acc), "highest": max(acc)},
        "few": min(FEW, len(acc)),
        "criteria": rows,
    }


def tiny_runs(folder: Path, registry: Registry) -> None:
    """Make a few runs that differ.

    Args:
        folder: below which they are made.
        registry: where their parts are.
    """
    few = ("train.max_iter=0", "train.pretrain_epochs=1", "train.batch_size=512", "dataset.size=8")
    for seed in range(3):
        config = compose(registry, parts={"encoder": "fc"}, settings=few, seed=seed)
        run(config, registry, Files(offline=True), out=folder / f"seed-{seed}")


def main() -> None:
    """Print a table for each data set."""
    options = finished.parse(finished.parser(__doc__))
    torch.set_num_threads(options.threads)
    registry, files = Registry.discover(), Files(options.data_root)
    with tempfile.TemporaryDirectory() as temporary:
        if options.quick:
            tiny_runs(Path(temporary), registry)
        groups = load(finished.find([*options.folders, Path(temporary)]), registry)
        results = [compare(runs, registry, files) for runs in groups.values() if len(runs) > 1]
    if not results:
        sys.exit("There are no two finished runs on the same images, with an ACC each.")
    if options.json:
        print(json.dumps(results))
        return
    for result in results:
        spread = ", ".join(f"{name} {value:.3f}" for name, value in result["acc"].items())
        title = (
            f"Criteria on {result['dataset']}: {result['n_runs']} runs, {result['n_clusters']} clusters; ACC {spread}"
        )
        columns = ("chosen by", "Spearman with ACC", "regret", f"regret among {result['few']}")
        rows = [
            [name.replace("_", " "), *("" if value is None else f"{value:+.2f}" if key == "spearman" else f"{value:.3f}"
                                       for key, value in row.items())]
            for name, row in result["criteria"].items()
        ]  # fmt: skip
        measure.print_table(title, columns, rows)


if __name__ == "__main__":
    main()
