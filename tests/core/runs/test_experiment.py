"""Whole runs: every recipe, every combination of parts, and what a run leaves behind."""

import json
import sys
import tomllib
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from decda.core.config.composition import compose
from decda.core.contracts import ImageSet
from decda.core.errors import (
    BrokenComponent,
    ConfigError,
    ContractViolation,
    DataError,
    InvalidParameter,
    OutOfMemory,
    TrainingDiverged,
)
from decda.core.events import Event, Initialised
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs import session
from decda.core.runs.experiment import run, run_stepwise
from decda.core.runs.inference import load_run
from decda.core.runs.run import Run
from tests.conftest import SHORT
from tests.core.config.test_composition import RECIPES

OURS = [entry for entry in Registry.discover() if entry.package == "decda"]
PARTS = {kind: [entry.name for entry in OURS if entry.kind == kind] for kind in ("encoder", "head", "augment")}


def do(registry: Registry, out: Path, settings: tuple[str, ...] = SHORT, **words: Any) -> Run:
    return run(compose(registry, settings=settings, **words), registry, Files(offline=True), out=out)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_runs(registry: Registry, tmp_path: Path, recipe: str) -> None:
    """Each recipe clusters digits for a few iterations."""
    result = do(registry, tmp_path / "run", recipe=recipe)
    assert result.labels.shape == (1797,)
    assert 0 <= result.metrics["acc"] <= 1  # type: ignore[operator]
    assert json.loads((result.folder / "metrics.json").read_text())["iterations"] == 4


@pytest.mark.parametrize(("encoder", "head", "augment"), list(product(*PARTS.values())))
def test_every_combination_runs(registry: Registry, tmp_path: Path, encoder: str, head: str, augment: str) -> None:
    """Every encoder works with every head and every augmentation."""
    parts = {"encoder": encoder, "head": head, "augment": augment}
    result = do(registry, tmp_path / "run", parts=parts)
    assert np.isfinite(result.confidence).all()


def test_what_a_run_leaves_behind(registry: Registry, tmp_path: Path) -> None:
    """The folder holds the files that the README lists, and no partial ones."""
    result = do(registry, tmp_path / "run")
    names = sorted(path.name for path in result.folder.iterdir())
    assert names == [
        "autoencoder.safetensors",
        "config.toml",
        "labels.csv",
        "log.csv",
        "metrics.json",
        "model.safetensors",
        "provenance.json",
    ]
    provenance = json.loads((result.folder / "provenance.json").read_text())
    assert provenance["parts"]["head"] == {
        "name": "idec",
        "package": "decda",
        "version": provenance["versions"]["decda"],
    }
    assert provenance["input_shape"] == [1, 8, 8]
    assert len(provenance["data_sha256"]) == 64
    assert {"seed", "device", "threads", "seconds", "started", "finished"} <= set(provenance)
    assert len((result.folder / "labels.csv").read_text().splitlines()) == 1798
    config = tomllib.loads((result.folder / "config.toml").read_text())
    assert (config["n_clusters"], config["train"]["update_interval"], config["train"]["drop_last"]) == (10, 2, True)


def test_the_folder_alone_rebuilds_the_model(registry: Registry, tmp_path: Path) -> None:
    """A model loaded from the folder predicts exactly the labels that the run wrote."""
    result = do(registry, tmp_path / "run")
    loaded = load_run(result.folder, registry)
    images = registry.load(registry.find("dataset", "digits")).factory(size=8).x
    model = loaded.model
    model.autoencoder.eval()
    with torch.no_grad():
        q = torch.cat([model.head.soft_assign(model.autoencoder.encode(x)) for x in images.split(1024)])
    assert np.array_equal(q.argmax(1).numpy(), result.labels)
    assert np.array_equal(q.max(1).values.numpy(), result.confidence)
    assert np.array_equal(loaded.labels, result.labels)
    assert np.abs(loaded.confidence - result.confidence).max() < 1e-6
    assert (loaded.metrics, loaded.baseline, loaded.seconds) == (result.metrics, result.baseline, result.seconds)
    assert loaded.config == result.config


def test_config_toml_repeats_the_run(registry: Registry, tmp_path: Path) -> None:
    """A run from `--config runs/x/config.toml` writes byte-identical files."""
    first = do(registry, tmp_path / "one", seed=3)
    again = do(registry, tmp_path / "two", settings=(), config=first.folder / "config.toml")
    for name in (
        "labels.csv",
        "log.csv",
        "metrics.json",
        "model.safetensors",
        "autoencoder.safetensors",
        "config.toml",
    ):
        assert (first.folder / name).read_bytes() == (again.folder / name).read_bytes(), name


def labelled(x: torch.Tensor, y: torch.Tensor | None) -> Callable[[], ImageSet]:
    return lambda: ImageSet(x, y)


def test_the_trainer_never_sees_labels(registry: Registry, tmp_path: Path) -> None:
    """The same images with other labels, or without labels, lead to the same clusters."""
    digits = registry.load(registry.find("dataset", "digits")).factory(size=8)
    made = []
    for y in (digits.y, digits.y.flip(0), None):
        own = Registry(registry)
        own.add("dataset", "mine", labelled(digits.x, y))
        folder = tmp_path / f"run{len(made)}"
        made.append(do(own, folder, parts={"dataset": "mine"}, settings=SHORT[1:], n_clusters=10))
    assert np.array_equal(made[0].labels, made[1].labels)
    assert np.array_equal(made[0].labels, made[2].labels)
    assert made[2].metrics == {"acc": None, "nmi": None, "ari": None} == made[2].baseline


def test_the_baseline_is_kmeans_on_the_pretrained_embedding(registry: Registry, tmp_path: Path) -> None:
    """With zero clustering iterations, the scores of the run equal those of its baseline."""
    result = do(registry, tmp_path / "run", settings=(*SHORT, "train.max_iter=0"))
    assert result.metrics == result.baseline


def test_the_baseline_does_not_depend_on_the_head(registry: Registry, tmp_path: Path) -> None:
    """A head that initialises its centers in its own way is still compared with k-means."""
    own = Registry(registry)
    dec = registry.load(registry.find("head", "dec")).factory

    class Mine(dec):  # type: ignore[misc, valid-type]
        def init_centers(self, z: torch.Tensor, seed: int) -> None:
            self.centers.data.copy_(z[: len(self.centers)])

    own.add("head", "mine", Mine)
    settings = (*SHORT, "train.max_iter=0")
    mine = do(own, tmp_path / "mine", parts={"head": "mine"}, settings=settings)
    ours = do(own, tmp_path / "ours", parts={"head": "decda:dec"}, settings=settings)
    assert mine.baseline == ours.baseline
    assert mine.metrics != mine.baseline


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"n_clusters": 1798}, DataError),
        ({"settings": ("head.gamma=-1",)}, InvalidParameter),
        ({"device": "cuda"}, ConfigError),
    ],
)
def test_a_mistake_leaves_no_folder(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: Any, error: type[Exception]
) -> None:
    """A run that fails before the first epoch leaves nothing behind."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(error):
        do(registry, tmp_path / "run", **words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("failure", [KeyError("boom"), SystemExit(0)])
def test_a_part_that_fails_while_training_is_named(registry: Registry, tmp_path: Path, failure: BaseException) -> None:
    """An exception from a part's code, even SystemExit, is reported with the part and its package."""
    own = Registry(registry)
    dec = registry.load(registry.find("head", "dec")).factory

    class Mine(dec):  # type: ignore[misc, valid-type]
        def refresh(self, z: torch.Tensor) -> Any:
            if len(z) == 1797:
                raise failure
            return super().refresh(z)

    own.add("head", "mine", Mine)
    with pytest.raises(BrokenComponent, match=rf"head 'mine' of local.*{type(failure).__name__}"):
        do(own, tmp_path / "run", parts={"head": "mine"})


def test_a_part_that_exits_is_never_a_success(registry: Registry, tmp_path: Path) -> None:
    """`sys.exit(0)` in a part is an error even if the calling frame has no `self` to attribute it to."""

    class Bare:
        calls: ClassVar[list[int]] = []
        sample = staticmethod(lambda n, generator: torch.zeros(n, 0))

        @staticmethod
        def apply(x: torch.Tensor, params: torch.Tensor) -> torch.Tensor:
            Bare.calls.append(len(x))
            return x if len(Bare.calls) < 3 else sys.exit(0)  # type: ignore[no-any-return]

    own = Registry(registry)
    own.add("augment", "bare", Bare)
    with pytest.raises(BrokenComponent, match="SystemExit: 0"):
        do(own, tmp_path / "run", parts={"augment": "bare"})


def test_a_part_that_breaks_its_contract_is_found_before_training(registry: Registry, tmp_path: Path) -> None:
    """A first batch is sent through copies of the parts; a failure there leaves no folder."""
    own = Registry(registry)
    dec = registry.load(registry.find("head", "dec")).factory

    class Mine(dec):  # type: ignore[misc, valid-type]
        def refresh(self, z: torch.Tensor) -> Any:
            return super().refresh(z).double()

    own.add("head", "mine", Mine)
    with pytest.raises(ContractViolation, match=r"head 'mine' \(local\): refresh must return float32.*float64"):
        do(own, tmp_path / "run", parts={"head": "mine"})
    assert not list(tmp_path.iterdir())


def test_the_name_of_a_part_is_no_path(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe named like a path does not move its run out of `runs/`."""
    monkeypatch.chdir(tmp_path)
    own = Registry(registry)
    own.add("recipe", "../up/x", {"dataset": "digits", "encoder": "fc", "head": "dec", "augment": "none"})
    result = run(compose(own, recipe="../up/x", settings=SHORT), own, Files(offline=True))
    assert result.folder.parent.resolve() == tmp_path / "runs"


def test_names_that_are_not_utf8_are_escaped(registry: Registry, tmp_path: Path) -> None:
    """An image name that is not valid UTF-8 is escaped in labels.csv instead of failing the run."""
    digits = registry.load(registry.find("dataset", "digits")).factory(size=8)
    own = Registry(registry)
    own.add("dataset", "mine", lambda: ImageSet(digits.x[:40], None, ["a\udcff.png"] * 40))
    result = do(own, tmp_path / "run", parts={"dataset": "mine"}, settings=SHORT[1:], n_clusters=3)
    assert "\\udcff.png" in (result.folder / "labels.csv").read_text()


def status(folder: Path) -> tuple[str, str]:
    provenance = json.loads((folder / "provenance.json").read_text())
    return provenance["status"], provenance.get("reason", "")


def test_a_run_that_ended_early_says_how(registry: Registry, tmp_path: Path) -> None:
    """Its status becomes diverged, interrupted or failed, with the reason, instead of staying "started"."""
    config = compose(registry, parts={"encoder": "fc"}, settings=SHORT)

    def interrupt(event: Event) -> None:
        if isinstance(event, Initialised):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, registry, Files(offline=True), out=tmp_path / "interrupted", notify=interrupt)
    assert status(tmp_path / "interrupted") == ("interrupted", "KeyboardInterrupt")

    steps = run_stepwise(config, registry, Files(offline=True), out=tmp_path / "dropped")
    next(steps)
    steps.close()
    assert status(tmp_path / "dropped")[0] == "interrupted"

    settings = (*SHORT, "train.pretrain_optimizer=sgd", "train.pretrain_learning_rate=1e30")
    with pytest.raises(TrainingDiverged):
        do(registry, tmp_path / "diverged", settings=settings)
    assert status(tmp_path / "diverged")[0] == "diverged"
    assert "epoch 1" in status(tmp_path / "diverged")[1]

    def fill(event: Event) -> None:
        if isinstance(event, Initialised):
            raise OSError(28, "No space left on device", "labels.csv")

    with pytest.raises(OSError, match="No space left"):
        run(config, registry, Files(offline=True), out=tmp_path / "failed", notify=fill)
    assert status(tmp_path / "failed") == ("failed", "OSError: [Errno 28] No space left on device: 'labels.csv'")
    with pytest.raises(DataError, match=r"has not finished \(failed: OSError"):
        load_run(tmp_path / "failed", registry)


@pytest.mark.parametrize(
    "failure",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError("no room"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to"),
    ],
)
@pytest.mark.parametrize("when", ["training", "building", "probing"])
def test_out_of_memory_is_not_blamed_on_a_part(
    registry: Registry, tmp_path: Path, failure: Exception, when: str
) -> None:
    """Out of memory is reported as such, with the sizes involved and advice, whichever part allocated."""
    own = Registry(registry)
    dec = registry.load(registry.find("head", "dec")).factory

    class Greedy(dec):  # type: ignore[misc, valid-type]
        def __init__(self, n_clusters: int, embedding_dim: int) -> None:
            super().__init__(n_clusters, embedding_dim)
            if when == "building":
                raise failure

        def refresh(self, z: torch.Tensor) -> Any:
            if len(z) == 1797 or when == "probing":
                raise failure
            return super().refresh(z)

    own.add("head", "greedy", Greedy)
    with pytest.raises(OutOfMemory, match="Out of memory") as caught:
        do(own, tmp_path / "run", parts={"head": "greedy"})
    if when == "training":
        assert "1797 images of 1x8x8, in batches of 512" in str(caught.value)
        assert "train.batch_size" in str(caught.value)
        assert status(tmp_path / "run")[0] == "failed"


def test_a_collapse_is_reported_everywhere(registry: Registry, tmp_path: Path) -> None:
    """The warning about lost clusters appears in the result, in metrics.json and in the printed output."""
    own = Registry(registry)
    dec = registry.load(registry.find("head", "dec")).factory

    class Collapsing(dec):  # type: ignore[misc, valid-type]
        def soft_assign(self, z: torch.Tensor) -> torch.Tensor:
            return torch.eye(len(self.centers))[0].expand(len(z), -1) + 0 * super().soft_assign(z)

    own.add("head", "collapsing", Collapsing)
    result = do(own, tmp_path / "run", parts={"head": "collapsing"})
    empty = "clusters 1, 2, 3, 4, 5, 6, 7, 8, 9 empty at the start"
    assert list(result.warnings)[:1] == [f"Only 1 of 10 clusters holds any images: {empty}."]
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["warnings"] == result.warnings
    assert result.as_mapping()["warnings"] == result.warnings


def test_a_caller_that_handles_an_error_of_its_own(registry: Registry, tmp_path: Path) -> None:
    """A failure within `except MemoryError` of the caller is not taken for a lack of memory."""
    own = Registry(registry)
    dec = registry.load(registry.find("head", "dec")).factory

    class Bad(dec):  # type: ignore[misc, valid-type]
        def refresh(self, z: torch.Tensor) -> Any:
            if len(z) == 1797:
                raise RuntimeError("my bug")
            return super().refresh(z)

    own.add("head", "bad", Bad)
    try:
        raise MemoryError
    except MemoryError:
        with pytest.raises(BrokenComponent, match="my bug"):
            do(own, tmp_path / "run", parts={"head": "bad"})


def test_an_abandoned_start_is_told(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The labels and embeddings of the start reach the check that compares them with the end."""
    seen: list[Any] = []
    monkeypatch.setattr(session, "collapse_warnings", lambda *words: seen.append(words) or ["careful"])
    result = do(registry, tmp_path / "run", parts={"encoder": "fc"})
    ((labels, n_clusters, start, z, seed, emptied),) = seen
    assert (n_clusters, seed) == (10, 0)
    assert set(emptied.values()) <= {0, 2}
    assert np.array_equal(labels, result.labels)
    assert (start.shape, tuple(z.shape)) == ((1797,), (1797, 10))
    assert list(result.warnings) == ["careful"]
