"""A run and its images -> everything that its report shows."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix

from decda.core.atomic_files import read_json
from decda.core.config.run_config import PART_KINDS, RunConfig
from decda.core.config.train_config import TRAIN_PARAMETERS
from decda.core.contracts import ImageSet
from decda.core.errors import DataError, DecdaError
from decda.core.files import Files
from decda.core.parts.parameters import Parameter
from decda.core.parts.registry import Registry
from decda.core.report.facts import Confusion, RunFacts, Score, Setting
from decda.core.report.page import Page, run_page
from decda.core.runs.exhibits import Exhibits
from decda.core.runs.learning_curves import Curves, read_curves
from decda.core.runs.naming import printable
from decda.core.runs.recall import recall_images
from decda.core.runs.run import Run
from decda.core.runs.verdict import Measured, describe, figures, warn

MOST_CLUSTERS = 60
"""Clusters of which members are shown: the largest."""
MOST_CLASSES = 40
"""Classes beside which clusters are shown: the most frequent."""
SCORES = {
    "acc": ("ACC", "The share of images that the best one-to-one match of clusters and classes gets right."),
    "nmi": ("NMI", "How much clusters and classes tell of each other, from 0 to 1."),
    "ari": ("ARI", "Pairs of images on which clusters and classes agree, above chance, at most 1."),
}
REPEAT = (
    "# RUN is the folder of this page",
    "decda export RUN --format clusters --out sorted    # a folder of images for each cluster",
    "decda predict RUN new-images --out labels.csv      # the clusters of images that came later",
    "decda train --config RUN/config.toml               # the same run again",
)


def page_of(run: Run, images: Any, registry: Registry, files: Files) -> Page:
    """The report of a run, as a page.

    Args:
        run: a finished run.
        images: that it was made of, see `recall_images`. None: they are loaded as the run loaded them; where they are
            gone, the page says so and has no pictures.
        registry: where its parts are.
        files: where the data is.

    Returns:
        The page.

    Raises:
        DataError: the images are not those of the run.
        DecdaError: a file of the run is damaged, or a part of it fails.
    """
    found, missing = None, ""
    try:
        found = recall_images(run, images, registry, files)
    except DataError as error:
        if images is not None:
            raise
        missing = str(error)
    return run_page(gather(run, found, registry, missing))


def gather(run: Run, images: ImageSet | None, registry: Registry, missing: str = "") -> RunFacts:
    """Everything that the report of a run shows.

    Args:
        run: a finished run.
        images: that it was made of, in the order of its labels; None: they are not at hand.
        registry: where its parts are.
        missing: why there are no images.

    Returns:
        The facts. No time and no path is among them, so that equal runs have equal reports.

    Raises:
        DecdaError: a file of the run is damaged, or a part of it fails.
    """
    exhibits = Exhibits(run, images)
    z, curves = exhibits.embeddings(), read_curves(run.folder)
    measured = Measured(exhibits.steady(), _explained(exhibits, curves))
    n_clusters, shape = run.config.known_clusters, "x".join(map(str, run.input_shape))
    largest = np.sort(np.argsort(-np.array(run.sizes), kind="stable")[:MOST_CLUSTERS])
    return RunFacts(
        title=_title(run.config),
        about=f"{len(run.labels):,} images of {shape} in {n_clusters} clusters, seed {run.config.seed}",
        verdict=describe(run),
        warnings=[printable(sentence) for sentence in warn(run, curves, measured)],
        settings=changed_settings(run.config, registry),
        scores=_scores(run),
        figures=figures(run, measured),
        curves=curves.drawn(),
        points=None if z is None else exhibits.points(z),
        clusters=[exhibits.cluster(number) for number in largest.tolist()],
        n_clusters=n_clusters,
        n_images=len(run.labels),
        pairs=() if z is None else exhibits.pairs(z),
        confusion=None if exhibits.classes is None else _confusion(run, exhibits.classes),
        comparisons=exhibits.comparisons(),
        notes=_notes(images, missing),
        repeat=REPEAT,
        facts=_facts(run),
    )


def changed_settings(config: RunConfig, registry: Registry) -> list[Setting]:
    """The settings of a run that are not the defaults of their part.

    Args:
        config: of the run.
        registry: where its parts are; of one that is missing, all settings are told.

    Returns:
        The settings, part by part.
    """
    found = []
    for kind in PART_KINDS:
        part = config.part(kind)
        parameters: Sequence[Parameter] = ()
        with suppress(DecdaError):  # a data set from a notebook may be gone
            parameters = registry.load(registry.find(kind, part.name)).parameters
        known = {parameter.name: parameter for parameter in parameters}
        found += [_setting(kind, name, value, known.get(name)) for name, value in part.parameters.items()]
    train = {parameter.name: parameter for parameter in TRAIN_PARAMETERS}
    found += [_setting("train", name, getattr(config.train, name), train[name]) for name in train]
    return [setting for setting in found if setting.value != setting.default]


def _title(config: RunConfig) -> str:
    """The sentence of names, in which images of one's own have the name of their folder or file."""
    path = config.dataset.parameters.get("path")
    sentence = config.sentence
    if isinstance(path, str | Path) and Path(path).name:
        sentence = sentence.replace(config.dataset.short, Path(path).name, 1)
    return printable(sentence)


def _explained(exhibits: Exhibits, curves: Curves) -> float | None:
    """The share of the variance that is reconstructed; None where no autoencoder was pretrained here."""
    if curves.pretrain is None or "reconstruction" not in curves.pretrain.lines:
        return None
    return exhibits.explained(curves.pretrain.lines["reconstruction"][1][-1])


def _setting(kind: str, name: str, value: Any, parameter: Parameter | None) -> Setting:
    default = "" if parameter is None or parameter.required else _text(parameter.default)
    return Setting(f"{kind}.{name}", _text(value), default)


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(_text, value)) if isinstance(value, tuple | list) else printable(value)


def _scores(run: Run) -> list[Score]:
    found = []
    for key, (name, meaning) in SCORES.items():
        end = run.metrics.get(key)
        if end is not None:
            found.append(Score(name, meaning, end, run.start.get(key), run.baseline.get(key)))
    return found


def _confusion(run: Run, classes: NDArray[np.int64]) -> Confusion:
    values, counts = np.unique(classes, return_counts=True)
    table = contingency_matrix(run.labels, classes)
    clusters = np.unique(run.labels)
    rows, columns = linear_sum_assignment(table, maximize=True)
    matched = rows[np.argsort(columns)].tolist()
    order = [*matched, *(row for row in range(len(clusters)) if row not in matched)][:MOST_CLUSTERS]
    shown = np.sort(np.argsort(-counts, kind="stable")[:MOST_CLASSES])
    names = [str(values[position]) for position in shown]
    return Confusion([int(clusters[row]) for row in order], names, table[np.ix_(order, shown)])


def _notes(images: ImageSet | None, missing: str) -> list[str]:
    if images is None:
        return [f"The map and all pictures are missing. {printable(missing)}"]
    n = len(images.skipped)
    if not n:
        return []
    return [
        f"{n:,} image{'' if n == 1 else 's'} could not be read and {'is' if n == 1 else 'are'} listed in skipped.csv."
    ]


def _facts(run: Run) -> dict[str, str]:
    provenance = read_json(run.folder / "provenance.json")
    versions = provenance.get("versions", {})
    return {
        "recipe": run.config.recipe or "none",
        "decda": str(versions.get("decda", "")),
        "PyTorch": str(versions.get("torch", "")),
        "device": str(provenance.get("device", "")),
        "threads": str(provenance.get("threads", "")),
        "images (SHA-256)": str(provenance.get("data_sha256", ""))[:16],
    }
