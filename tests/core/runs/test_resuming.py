"""What must be the same when a run goes on, and what is only told."""

from pathlib import Path
from typing import Any

import pytest

from decda.core.config.composition import compose
from decda.core.errors import ConfigError, DataError, UnusableCheckpoint
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.experiment import run, run_stepwise
from decda.core.runs.resuming import describe_differences, require_same_images, resumed_config
from tests.conftest import SHORT

FILES = Files(offline=True)


@pytest.fixture(scope="module")
def begun(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was interrupted, with head.gamma=0.25 and seed 5."""
    out = tmp_path_factory.mktemp("resuming") / "run"
    settings = [*SHORT, "head.gamma=0.25"]
    config = compose(registry, recipe="convidec-da", parts={"dataset": "digits"}, settings=settings, seed=5)
    next(run_stepwise(config, registry, FILES, out=out))
    return out


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"recipe": "convidec-da"},
        {"recipe": "decda:convidec-da", "seed": 5, "n_clusters": 10},
        {"parts": {"encoder": "conv", "dataset": "digits"}, "settings": ["head.gamma=.25", "train.max_iter=4"]},
        {"config": {"seed": 5, "head": {"gamma": 0.25}}},
    ],
)
def test_what_agrees_may_be_repeated(registry: Registry, begun: Path, words: dict[str, Any]) -> None:
    """The command that began the run may be repeated in whole or in part."""
    config = resumed_config(begun, registry, **words)
    assert (config.seed, config.head.parameters["gamma"], config.recipe, config.n_clusters) == (
        5,
        0.25,
        "convidec-da",
        10,
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"seed": 6}, "seed is 5 in the run, 6 here"),
        ({"n_clusters": 9}, "n_clusters is 10 in the run, 9 here"),
        ({"parts": {"encoder": "fc"}}, "encoder is decda:conv in the run, decda:fc here."),
        ({"settings": ["head.gamma=1"]}, "head.gamma is 0.25 in the run, 1.0 here"),
        ({"settings": ["train.max_iter=5", "train.tol=1"]}, "train.max_iter is 4 in the run, 5 here; train.tol is 0.0"),
        ({"recipe": "convdec-da"}, "recipe is convidec-da in the run, convdec-da here"),
        ({"config": {"seed": 6}}, "seed is 5 in the run, 6 here"),
        ({"device": "cpu"}, "device is auto in the run, cpu here"),
    ],
)
def test_each_contradiction_is_named(registry: Registry, begun: Path, words: dict[str, Any], told: str) -> None:
    """What differs from the run's configuration is refused, with both values."""
    with pytest.raises(ConfigError, match="cannot go on with other settings") as caught:
        resumed_config(begun, registry, **words)
    assert told in str(caught.value)


def test_a_pretrained_autoencoder_may_be_named_by_its_folder(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder that was named, also from elsewhere, agrees with the file in it that the configuration holds."""
    first = run(compose(registry, parts={"encoder": "fc"}, settings=SHORT), registry, FILES, out=tmp_path / "first")
    config = compose(registry, parts={"encoder": "fc"}, settings=SHORT, autoencoder=first.folder)
    next(run_stepwise(config, registry, FILES, out=tmp_path / "run"))
    monkeypatch.chdir(tmp_path)
    for name in (str(first.folder), "first", "first/autoencoder.safetensors"):
        assert resumed_config(tmp_path / "run", registry, autoencoder=name) == resumed_config(
            tmp_path / "run", registry
        )


def test_files_of_a_start_may_be_named_again(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relative path that was named agrees with the absolute one that the configuration holds; another does not."""
    monkeypatch.chdir(tmp_path)
    Path("labels.csv").write_text("label\n" + "0\n1\n" * 898 + "1\n")
    settings = [*SHORT, "start.path=labels.csv"]
    config = compose(registry, parts={"encoder": "fc", "start": "labels"}, settings=settings)
    next(run_stepwise(config, registry, FILES, out=Path("run")))
    assert resumed_config(Path("run"), registry, settings=settings).start.parameters["path"].is_absolute()
    resumed_config(Path("run"), registry, config={"start": {"path": "labels.csv"}})
    with pytest.raises(ConfigError, match=r"start\.path is .*labels\.csv in the run, .*others\.csv here"):
        resumed_config(Path("run"), registry, settings=["start.path=others.csv"])


@pytest.mark.parametrize("content", [None, "empty", "other"])
def test_what_is_no_run_cannot_be_resumed(registry: Registry, tmp_path: Path, content: str | None) -> None:
    """A folder that is missing, empty or something else is an error that says which."""
    folder = tmp_path / "x"
    if content is not None:
        folder.mkdir()
    if content == "other":
        (folder / "photo.png").write_text("")
    told = "x cannot be resumed: it is empty" if content == "empty" else "x is not the folder of a run"
    with pytest.raises(DataError, match=told):
        resumed_config(folder, registry)


def test_differences_of_machines_are_told() -> None:
    """Threads, processor, platform and versions of libraries are compared, and nothing else."""
    then = {"threads": 1, "processor": "A", "seed": 3, "versions": {"torch": "1", "numpy": "2"}}
    now = {"threads": 1, "processor": "B", "seed": 4, "versions": {"torch": "1", "numpy": "3"}}
    assert describe_differences(then, now) == ["processor: A then, B now", "numpy: 2 then, 3 now"]


def test_a_configuration_of_somebody_else_is_no_run(registry: Registry, tmp_path: Path) -> None:
    """A folder with a hand-written config.toml is not taken for a run that was killed at once, and stays as it is."""
    (tmp_path / "config.toml").write_text('# my own settings\nrecipe = "quick"\n')
    with pytest.raises(DataError, match="not the folder of a run: its config.toml was written by somebody else"):
        resumed_config(tmp_path, registry)


def test_classes_that_appear_or_disappear_are_refused() -> None:
    """A run that was scored is not continued without classes, nor the other way round."""
    known = {"processor": "A", "config_sha256": "c", "data_sha256": "d"}
    for then, now in ((known | {"classes_sha256": "e"}, known), (known, known | {"classes_sha256": "e"})):
        with pytest.raises(UnusableCheckpoint, match="other classes: .*none"):
            require_same_images(then, now)
    require_same_images({"data_sha256": "d"}, known | {"classes_sha256": "e"})  # of an older version of decda
