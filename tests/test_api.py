"""The Python API."""

import copy
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import decda
from decda import api
from decda.core.contracts import ImageSet
from decda.core.errors import ConfigError, DataError, InvalidParameter, UnknownComponent, UnusableCheckpoint
from decda.core.events import Event, PhaseStarted, Resumed, RunEnded
from decda.core.parts.registry import Registry
from decda.plugins.augmentations.shift import RandomShift
from decda.plugins.heads.idec import IDEC
from tests.conftest import SHORT, Here

FEW = {"pretrain_epochs": 1, "max_iter": 4, "update_interval": 2, "batch_size": 512, "tol": 0}
"""Like `SHORT`, without the size of digits."""
QUIET: dict[str, Any] = {"progress": False, "train": FEW, "encoder": "fc"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, below which runs are saved."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def photographs(n: int = 40) -> np.ndarray:
    """Colour images of 40x33 pixels, channels last."""
    return np.random.default_rng(0).random((n, 40, 33, 3))


def test_the_command_line_and_the_api_make_the_same_run(here: Here) -> None:
    """The same settings lead to the same bytes on the command line and in Python."""
    words = [word for setting in (*SHORT, "head.gamma=0.2") for word in ("--set", setting)]
    words += ["--encoder", "fc", "--seed", "3", "--threads", "1"]
    assert here("train", *words, "--out", "command")[0] == 0
    run = decda.train(
        {"name": "digits", "size": 8}, seed=3, head={"gamma": 0.2}, encoder="fc", train=FEW, out="door", progress=False
    )
    for name in ("labels.csv", "log.csv", "metrics.json", "model.safetensors", "config.toml"):
        assert (Path("command") / name).read_bytes() == (run.folder / name).read_bytes(), name


def test_arrays_in_clusters_out() -> None:
    """Channels-last colour images are clustered, and new ones predicted by the run as well as from its folder."""
    run = decda.train(photographs(), n_clusters=3, progress=False, train=FEW)
    assert run.input_shape == (3, 40, 33)
    assert (run.labels.shape, run.confidence.shape, run.metrics["acc"]) == ((40,), (40,), None)
    assert run.folder == Path("runs/auto-array-seed0-1")
    assert np.array_equal(run.predict(photographs()), run.labels)
    assert run.soft_assign(photographs()[:2]).shape == (2, 3)
    assert run.embed(torch.rand(2, 3, 40, 33)).shape == (2, 10)
    loaded = decda.load(run.folder)
    assert np.array_equal(loaded.predict(photographs()), run.labels)
    assert np.array_equal(loaded.labels, run.labels)
    assert loaded.config == run.config


def test_clusters_may_be_counted() -> None:
    """`auto` finds a number in the range, of which the folder tells; the run predicts with so many clusters."""
    train = {**FEW, "n_clusters_range": (2, 5)}
    run = decda.train(photographs(), n_clusters="auto", **{**QUIET, "train": train})
    found = run.config.n_clusters
    assert found in range(2, 6)
    assert json.loads((run.folder / "n_clusters.json").read_text())["n_clusters"] == found
    assert decda.load(run.folder).soft_assign(photographs()[:2]).shape == (2, found)
    assert run.as_mapping()["n_clusters"] == found


def test_labels_are_used_for_scores_alone() -> None:
    """Strings are accepted as labels, which add scores but do not change the clusters."""
    with_labels = decda.train(photographs(), labels=["a", "b"] * 20, **QUIET)
    without = decda.train(photographs(), n_clusters=2, **QUIET)
    assert with_labels.config.n_clusters == 2
    assert 0.5 <= float(with_labels.metrics["acc"] or 0) <= 1
    assert np.array_equal(with_labels.labels, without.labels)


def test_parts_by_class_and_by_table(registry: Registry) -> None:
    """A part may be a class, alone or as the name in a table; the caller's registry is not changed."""

    class Mine(IDEC):
        """IDEC, as a beginning."""

    before = list(registry)
    run = decda.train("digits", head={"name": Mine, "gamma": 0.3}, augment=RandomShift, registry=registry, **QUIET)
    assert (run.config.head.name, run.config.head.parameters) == ("local:mine", {"gamma": 0.3})
    assert run.config.augment.name == "local:randomshift"
    assert list(registry) == before
    own = registry.copy()
    own.add("head", "mine", Mine)
    own.add("augment", "randomshift", RandomShift)
    assert np.array_equal(decda.load(run.folder, registry=own).labels, run.labels)
    with pytest.raises(UnknownComponent, match="from Python code, not from a file"):
        decda.load(run.folder, registry=registry)


def test_data_sets_of_other_kinds() -> None:
    """Data may be a function, an ImageSet, or the data set of a configuration."""
    images = ImageSet(torch.rand(30, 1, 8, 8), torch.arange(30) % 3, [f"{i}.png" for i in range(30)])

    def mine() -> ImageSet:
        return images

    by_function, by_value = decda.train(mine, **QUIET), decda.train(images, **QUIET)
    assert np.array_equal(by_function.labels, by_value.labels)
    assert list(decda.load(by_value.folder).names or ()) == images.names
    again = decda.train(config=decda.train("digits", **QUIET).folder / "config.toml", progress=False)
    assert (again.config.dataset.short, len(again.labels)) == ("digits", 1797)


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        ({"data": "digitz"}, UnknownComponent, "Did you mean 'digits'"),
        ({"data": "digits", "recipe": "convdec-da", "head": {"gamma": 0.2}}, InvalidParameter, "no parameter 'gamma'"),
        ({"data": "digits", "train": {"epochs": 3}}, InvalidParameter, r"no parameter 'epochs' \(from the arguments\)"),
        ({"data": "digits", "train": {"max_iter": "many"}}, InvalidParameter, "'max_iter' must be int"),
        ({"data": "digits", "labels": [1]}, ConfigError, "A data set brings its own"),
        ({"data": "digits", "head": 3}, ConfigError, "head must be a name, a table with a name, or a class"),
        ({"data": "digits", "threads": 0}, ConfigError, "threads must be a whole number from 1 to 256, not 0"),
        ({"data": np.zeros((9, 8, 8))}, InvalidParameter, "Give the number of clusters, n_clusters"),
        ({"data": np.zeros((9, 8, 8)) - 1}, DataError, r"Pixels must be uint8 or in \[0, 1\]"),
    ],
)
def test_mistakes_name_parameters_not_options(words: dict[str, Any], error: type[Exception], says: str) -> None:
    """Errors explain what is wrong and why without mentioning command-line options, and no folder is left."""
    with pytest.raises(error, match=says) as caught:
        decda.train(**{**QUIET, **words})
    assert "--" not in str(caught.value)
    assert not Path("runs").exists()


def test_existing_folders_are_left_alone() -> None:
    """The folder `out` must not exist."""
    Path("mine").mkdir()
    with pytest.raises(ConfigError, match="mine exists already") as caught:
        decda.train("digits", out="mine", **QUIET)
    assert caught.value.parameter == "out"


def test_threads_are_restored() -> None:
    """A run uses the requested number of threads, and restores the former number afterwards."""
    before = torch.get_num_threads()
    run = decda.train("digits", threads=before + 1, **QUIET)
    assert torch.get_num_threads() == before
    assert json.loads((run.folder / "provenance.json").read_text())["threads"] == before + 1


@pytest.mark.parametrize(
    ("terminal", "progress", "shown"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool, progress: bool, shown: bool
) -> None:
    """Progress is shown on a terminal unless it is switched off; `notify` gets the events in any case."""
    monkeypatch.setattr("decda.console.is_interactive", lambda: terminal)
    events: list[Any] = []
    decda.train("digits", **{**QUIET, "progress": progress}, notify=events.append)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("1797 images, 10 clusters" in err) == shown
    assert bool(err) == shown
    assert any(isinstance(event, PhaseStarted) for event in events)


def test_components() -> None:
    """`components` returns the records of `list-components`, for one kind or for all."""
    heads = decda.components("head")
    assert {"dcn", "dec", "idec"} <= {record["name"] for record in heads}
    assert set(heads[0]) == {"kind", "name", "summary", "package", "version", "status", "error"}
    assert len(decda.components()) > len(heads)
    with pytest.raises(ConfigError, match="Unknown kind 'heads'"):
        decda.components("heads")


def test_importing_decda_loads_no_torch() -> None:
    """`import decda` and listing parts do not import torch; an unknown attribute is an error that lists all names."""
    code = "import decda, sys; decda.components(); print('torch' in sys.modules, sorted(dir(decda)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.split(" ", 1)[0] == "False"
    assert {"train", "load", "components", "Run", "DecdaError"} <= set(dir(decda))
    assert decda.train is api.train
    with pytest.raises(AttributeError, match="it has .*train"):
        decda.tarin  # noqa: B018


class Ctrl:
    """A listener that presses Ctrl-C when clustering starts."""

    def __call__(self, event: Event) -> None:
        if isinstance(event, PhaseStarted) and event.phase == "cluster":
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_saves_a_run_that_can_be_resumed() -> None:
    """Ctrl-C raises KeyboardInterrupt once the run is saved; `load(...).resume()` ends in the bytes of a whole run."""
    words: dict[str, Any] = {"data": photographs(), "labels": ["a", "b"] * 20, "n_clusters": 3, **QUIET}
    whole = decda.train(**words, out="whole")
    with pytest.raises(KeyboardInterrupt, match="The run half was interrupted by SIGINT; it is saved"):
        decda.train(**words, out="half", notify=Ctrl())
    half = decda.load("half")
    assert repr(half) == "<UnfinishedRun half: interrupted>"
    assert "SIGINT" in half.reason  # type: ignore[union-attr]
    with pytest.raises(AttributeError, match=r"The run half has no labels yet.*Call resume\(\) first"):
        print(half.labels)
    with pytest.raises(ConfigError, match=r"started with images from Python.*resume\(images\)"):
        half.resume(progress=False)
    with pytest.raises(UnusableCheckpoint, match="other images"):
        half.resume(1 - photographs(), labels=["a", "b"] * 20, progress=False)  # type: ignore[call-arg]
    done = half.resume(photographs(), labels=["a", "b"] * 20, progress=False)  # type: ignore[call-arg]
    for name in ("labels.csv", "log.csv", "metrics.json", "model.safetensors", "config.toml"):
        assert (done.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
    again = decda.load("half")
    assert isinstance(again, decda.Run)
    assert again.resume() is again
    assert again.resume(photographs(), labels=["a", "b"] * 20) is again  # as a script does that is started once more


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Reports are allowed, and replaced by notes of the folders that they were written to."""
    written: list[str] = []

    def note(folder: Path) -> Any:
        return lambda event: written.append(str(folder)) if isinstance(event, RunEnded) else None

    monkeypatch.delenv("DECDA_NO_REPORT")
    monkeypatch.setattr("decda.plugins.listeners.report.report", note)
    return written


def test_listeners_follow_a_run_and_its_resumption(registry: Registry, reports: list[str]) -> None:
    """`listen` names listeners, a report is written unless it is not wanted, and `resume` takes the same words."""
    own, heard = Registry(registry), []
    own.add("listener", "mine", lambda folder: lambda event: heard.append(type(event)))
    with pytest.raises(KeyboardInterrupt):
        decda.train("digits", **QUIET, registry=own, out="half", notify=Ctrl(), listen=["mine"])
    assert heard[0] is PhaseStarted
    assert Resumed not in heard
    half = decda.load("half", registry=own)
    heard.clear()
    half.resume(progress=False, listen="mine")  # one name may stand alone
    assert (heard[0], heard[-1]) == (Resumed, RunEnded)
    decda.train("digits", **QUIET, out="none", report=False)
    assert reports == ["half"]
    with pytest.raises(UnknownComponent, match="Unknown listener 'yours'"):
        decda.train("digits", **QUIET, out="run", listen=["yours"])
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("report", "forbidden", "written"), [(None, "1", []), (True, "1", ["run"]), (None, "", ["run"])]
)
def test_reports_may_be_forbidden(
    reports: list[str], monkeypatch: pytest.MonkeyPatch, report: bool | None, forbidden: str, written: list[str]
) -> None:
    """DECDA_NO_REPORT counts where the call does not say whether it wants a report."""
    monkeypatch.setenv("DECDA_NO_REPORT", forbidden)
    decda.train("digits", **QUIET, out="run", report=report)
    assert reports == written


def test_nothing_follows_an_estimator(reports: list[str]) -> None:
    """Fitting writes no report, whatever the environment says."""
    decda.DeepClustering(3, encoder="fc", pretrain_epochs=1, max_iter=2).fit(photographs())
    assert reports == []


def test_an_unfinished_run_can_be_copied() -> None:
    """What inspects an object, as copy and notebooks do, gets plain answers."""
    with pytest.raises(KeyboardInterrupt):
        decda.train("digits", **QUIET, out="half", notify=Ctrl())
    half = decda.load("half")
    assert copy.copy(half).folder == half.folder
    assert not hasattr(half, "metrics")


def test_another_data_set_is_refused() -> None:
    """The images that a run is resumed with are those that it was started with."""
    with pytest.raises(KeyboardInterrupt):
        decda.train("digits", **QUIET, out="half", notify=Ctrl())
    half = decda.load("half")
    with pytest.raises(ConfigError, match="dataset is decda:digits in the run, decda:usps here"):
        half.resume("usps", progress=False)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="brings its own labels and settings: leave out labels"):
        half.resume(labels=[1, 2], progress=False)


def test_a_run_in_another_thread(tmp_path: Path) -> None:
    """A run may be made in any thread; only the main one hears Ctrl-C."""
    made: list[Any] = []
    thread = threading.Thread(target=lambda: made.append(decda.train("digits", **QUIET, out="run")))
    thread.start()
    thread.join()
    assert made[0].labels.shape == (1797,)
