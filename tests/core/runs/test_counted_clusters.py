"""A run that counts its clusters: the same bytes as if the number had been given, its curve, interruption, loading."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from decda.core.config.composition import compose
from decda.core.config.run_config import RunConfig
from decda.core.contracts import ClusteringHead, ImageSet
from decda.core.errors import BrokenComponent, ConfigError, DataError, InvalidParameter
from decda.core.events import ClustersCounted, Event, Initialised, PhaseStarted
from decda.core.files import Files
from decda.core.functional import student_t
from decda.core.parts.registry import Registry
from decda.core.process.interrupts import Interrupted, Interrupts
from decda.core.runs.experiment import run, run_stepwise
from decda.core.runs.inference import load_run
from decda.core.runs.preparation import prepare
from decda.core.runs.resuming import resumed_config
from decda.core.runs.run import Run
from decda.core.training.cluster_count import RULE
from tests.conftest import SHORT

FILES = Files(offline=True)
EQUAL = ("model.safetensors", "autoencoder.safetensors", "labels.csv", "log.csv", "metrics.json", "config.toml")
"""The files that equal runs write byte for byte."""
SETTINGS = (
    *SHORT[1:], "train.pretrain_epochs=2", "train.max_iter=5", "train.batch_size=100", "train.n_clusters_range=2,12",
    "start.n_init=2",
)  # fmt: skip


@pytest.fixture
def registry(registry: Registry) -> Registry:
    """The built-in parts, a few digits with their classes, and the same without."""
    digits = registry.load(registry.find("dataset", "digits")).factory(size=8)
    own = Registry(registry)
    own.add("dataset", "few", lambda: ImageSet(digits.x[:300], digits.y[:300]))
    own.add("dataset", "unlabelled", lambda: ImageSet(digits.x[:300]))
    own.add("dataset", "three", lambda: ImageSet(digits.x[:3]))
    own.add("dataset", "alike", lambda: ImageSet(digits.x[:1].expand(30, -1, -1, -1).clone()))
    return own


def counting(
    registry: Registry, *settings: str, n_clusters: Any = "auto", dataset: str = "few", **words: Any
) -> RunConfig:
    parts = {"dataset": dataset, "encoder": "fc", **words}
    return compose(registry, parts=parts, settings=[*SETTINGS, *settings], n_clusters=n_clusters)


def cut(config: RunConfig, registry: Registry, out: Path, steps: int) -> Run | None:
    """Make some steps of a run and interrupt it; its result if it has finished before."""
    interrupts = Interrupts()
    work = run_stepwise(config, registry, FILES, out=out, resume=True, interrupts=interrupts)
    try:
        for _ in range(steps):
            next(work)
        interrupts.pending = "SIGTERM"
        next(work)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    except Interrupted:
        return None
    raise AssertionError("it was not interrupted")


@pytest.mark.parametrize("head", ["idec", "dcn"])
def test_the_same_bytes_as_with_the_number_given(registry: Registry, tmp_path: Path, head: str) -> None:
    """Counting changes nothing but the number: given by hand, it leads to the same files."""
    counted = run(counting(registry, head=head), registry, FILES, out=tmp_path / "counted")
    found = counted.config.n_clusters
    given = run(counting(registry, head=head, n_clusters=found), registry, FILES, out=tmp_path / "given")
    for name in EQUAL:
        assert (counted.folder / name).read_bytes() == (given.folder / name).read_bytes(), name
    assert counted.model.head.centers.shape[0] == found
    assert not (given.folder / "n_clusters.json").exists()


def test_the_curve_stands_in_the_folder(registry: Registry, tmp_path: Path) -> None:
    """`n_clusters.json` holds the number, the rule and the curve that the event told, before centers were placed."""
    events: list[Event] = []
    done = run(counting(registry), registry, FILES, out=tmp_path / "run", notify=events.append)
    kinds = [type(event) for event in events if not isinstance(event, PhaseStarted)]
    (told,) = [event for event in events if isinstance(event, ClustersCounted)]
    assert kinds.index(ClustersCounted) < kinds.index(Initialised)
    content = json.loads((done.folder / "n_clusters.json").read_text())
    assert content == {
        "schema_version": 1,
        "n_clusters": told.n_clusters,
        "rule": RULE,
        "tolerance": told.tolerance,
        "curve": [list(point) for point in told.curve],
    }
    assert [k for k, _ in told.curve] == list(range(2, 13))
    assert json.loads((done.folder / "metrics.json").read_text())["n_clusters"] == told.n_clusters


def test_a_finished_run_is_loaded_by_its_number(registry: Registry, tmp_path: Path) -> None:
    """At the end the configuration holds the number that was found, with which the model is rebuilt."""
    done = run(counting(registry, dataset="unlabelled"), registry, FILES, out=tmp_path / "run")
    loaded = load_run(done.folder, registry)
    assert loaded.config.n_clusters == done.config.n_clusters == loaded.model.head.centers.shape[0]
    assert loaded.sizes == done.sizes
    assert (loaded.labels == done.labels).all()


def test_until_then_the_configuration_says_auto(registry: Registry, tmp_path: Path) -> None:
    """A run that has not finished is still one that counts, whether it has counted already or not."""
    whole = run(counting(registry), registry, FILES, out=tmp_path / "whole")
    assert "n_clusters = " in (whole.folder / "config.toml").read_text()
    for steps in (1, 10):  # in pretraining; in clustering
        out = tmp_path / str(steps)
        assert cut(counting(registry), registry, out, steps) is None
        assert 'n_clusters = "auto"' in (out / "config.toml").read_text()
        assert (out / "n_clusters.json").exists() is (steps == 10)


@pytest.mark.parametrize("stride", [1, 4])
def test_an_interrupted_run_goes_on_bit_for_bit(registry: Registry, tmp_path: Path, stride: int) -> None:
    """However often it is interrupted, before or after counting, the files are those of one that never was."""
    config, out = counting(registry, "train.keep=better"), tmp_path / "run"
    whole = run(config, registry, FILES, out=tmp_path / "whole")
    times = itertools.count()
    while (done := cut(config, registry, out, stride)) is None:
        next(times)
    assert next(times) >= 2
    for name in (*EQUAL, "n_clusters.json"):
        assert (out / name).read_bytes() == (whole.folder / name).read_bytes(), name
    assert done.config == whole.config


def test_a_run_that_died_while_it_ended_goes_on(registry: Registry, tmp_path: Path) -> None:
    """A configuration that names the number already, beside a run that has not finished, is that of one that counts."""
    whole = run(counting(registry), registry, FILES, out=tmp_path / "whole")
    out = tmp_path / "run"
    work = run_stepwise(counting(registry), registry, FILES, out=out)
    for _ in range(10):
        next(work)
    kept = tmp_path / "kept"
    shutil.copytree(out, kept)
    (kept / ".lock").unlink()
    work.close()
    shutil.copy(whole.folder / "config.toml", kept)  # the last step but one of a run
    config = resumed_config(kept, registry)
    assert config.n_clusters == "auto"
    done = run(config, registry, FILES, out=kept, resume=True)
    for name in EQUAL:
        assert (done.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name


def test_auto_may_be_repeated_when_a_run_goes_on(registry: Registry, tmp_path: Path) -> None:
    """`auto` agrees with a run that counts, also with a finished one, and a number contradicts it."""
    done = run(counting(registry), registry, FILES, out=tmp_path / "run")
    assert resumed_config(done.folder, registry, n_clusters="auto").n_clusters == "auto"
    with pytest.raises(ConfigError, match="n_clusters is auto in the run, 40 here"):
        resumed_config(done.folder, registry, n_clusters=40)


@pytest.mark.parametrize("start", ["kmeans", "ward", "gmm"])
def test_few_images_are_enough(registry: Registry, tmp_path: Path, start: str) -> None:
    """The range is bounded by the number of images, for every start."""
    settings = [s for s in SETTINGS if not s.startswith("start.")]
    config = compose(
        registry, parts={"dataset": "three", "encoder": "fc", "start": start}, settings=settings, n_clusters="auto"
    )
    assert run(config, registry, FILES, out=tmp_path / "run").config.n_clusters in (2, 3)


def test_a_start_with_clusters_of_its_own_is_refused(registry: Registry, tmp_path: Path) -> None:
    """Labels that are known leave nothing to count; that is told before anything is trained or read."""
    with pytest.raises(ConfigError, match="start 'labels' .* brings clusters of its own.*n_clusters must be") as caught:
        run(
            compose(registry, parts={"dataset": "few", "encoder": "fc", "start": "labels"}, n_clusters="auto"),
            registry, FILES, out=tmp_path / "run",
        )  # fmt: skip
    assert caught.value.parameter == "n_clusters"
    assert not (tmp_path / "run").exists()


def test_a_start_is_tried_with_the_smallest_number(registry: Registry) -> None:
    """What a start could not do for the largest number of the range is no reason to refuse it before counting."""
    prepare(counting(registry, "start.max_samples=5", start="gmm"), registry, FILES)
    with pytest.raises(InvalidParameter, match="max_samples must be at least the number of clusters, 2; it is 1"):
        prepare(counting(registry, "start.max_samples=1", start="gmm"), registry, FILES)


def test_images_that_are_all_alike_are_refused(registry: Registry, tmp_path: Path) -> None:
    """What cannot make the smallest number of the range is refused before anything is written."""
    with pytest.raises(DataError, match="cannot be divided into 2 clusters"):
        run(counting(registry, dataset="alike"), registry, FILES, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


class Failing(ClusteringHead):
    """A head that is tried with success, and fails as it is trained."""

    def __init__(self, n_clusters: int, embedding_dim: int) -> None:
        super().__init__()
        self.centers = torch.nn.Parameter(torch.zeros(n_clusters, embedding_dim))

    def init_centers(self, z: torch.Tensor, labels: torch.Tensor) -> None:
        self.centers.data.copy_(z[: len(self.centers)])

    def soft_assign(self, z: torch.Tensor) -> torch.Tensor:
        return student_t(z, self.centers)

    def refresh(self, z: torch.Tensor) -> torch.Tensor:
        if len(z) == 300:
            raise RuntimeError("no such luck")
        return student_t(z, self.centers).detach()

    def loss(self, batch: Any) -> dict[str, torch.Tensor]:
        return {"pull": (batch.z - self.centers[0]).square().mean()}


def test_a_failure_of_the_counted_head_names_it(registry: Registry, tmp_path: Path) -> None:
    """The head that was made after counting is blamed for what goes wrong in it."""
    registry.add("head", "failing", Failing)
    with pytest.raises(BrokenComponent, match=r"The head 'failing' .*no such luck"):
        run(counting(registry, head="failing"), registry, FILES, out=tmp_path / "run")
