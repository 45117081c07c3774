"""What follows a run: found before there is a folder, told everything in order, and never at the cost of the run."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from decda.core.config.composition import compose
from decda.core.config.run_config import RunConfig
from decda.core.contracts import ImageSet
from decda.core.errors import (
    AmbiguousComponent,
    BrokenComponent,
    ConfigError,
    ContractViolation,
    DecdaError,
    InvalidParameter,
    OutputError,
    TrainingDiverged,
    UnknownComponent,
)
from decda.core.events import (
    Event,
    Initialised,
    ListenerFailed,
    PhaseStarted,
    Progress,
    Refreshed,
    Resumed,
    RunEnded,
    Scored,
)
from decda.core.files import Files
from decda.core.parts.entries import Entry
from decda.core.parts.registry import Registry
from decda.core.process.interrupts import Interrupted, Interrupts
from decda.core.runs import session
from decda.core.runs.experiment import run, run_stepwise
from decda.core.runs.listening import default_listeners, find_listeners
from tests.conftest import SHORT

FILES = Files(offline=True)
EQUAL = {"model.safetensors", "autoencoder.safetensors", "labels.csv", "log.csv", "metrics.json", "config.toml"}
"""The files that equal runs write byte for byte; `provenance.json` says when and how long."""


@pytest.fixture
def registry(registry: Registry) -> Registry:
    """The built-in parts, and a data set of a few digits."""
    digits = registry.load(registry.find("dataset", "digits")).factory(size=8)
    own = Registry(registry)
    own.add("dataset", "few", lambda: ImageSet(digits.x[:300], digits.y[:300]))
    return own


@pytest.fixture
def config(registry: Registry) -> RunConfig:
    """Two epochs, four refreshes."""
    settings = (*SHORT[1:], "train.pretrain_epochs=2", "train.max_iter=7", "train.batch_size=100")
    return compose(registry, parts={"dataset": "few", "encoder": "fc"}, settings=settings)


class Follower:
    """A listener that keeps what it was told, and fails where it is asked to.

    Args:
        folder: of the run.
        fails: says at which event, and with what.
    """

    made: list["Follower"]
    fails: Callable[[Event], BaseException | None] = staticmethod(lambda event: None)

    def __init__(self, folder: Path):
        self.folder = folder
        self.found = sorted(path.name for path in folder.iterdir())
        self.events: list[Event] = []
        self.closed = 0
        self.made.append(self)

    def __call__(self, event: Event) -> None:
        assert not self.closed
        self.events.append(event)
        error = self.fails(event)
        if error is not None:
            raise error

    def close(self) -> None:
        self.closed += 1


def follower(registry: Registry, name: str = "mine", **attributes: Any) -> type[Follower]:
    """A class of listeners of its own, registered under a name."""
    made = type("Own", (Follower,), {"made": [], **attributes})
    registry.add("listener", name, made)
    return made


def test_a_listener_is_told_everything_in_order(registry: Registry, config: RunConfig, tmp_path: Path) -> None:
    """It is made in the run's folder before the first event, gets the events that `notify` gets, and is closed once."""
    own, told = follower(registry), []
    done = run(config, registry, FILES, out=tmp_path / "run", notify=told.append, listen=["mine"])
    (one,) = own.made
    assert one.folder == tmp_path / "run"
    assert {"config.toml", "provenance.json", "log.csv"} <= set(one.found)
    assert one.events == told
    assert isinstance(one.events[0], PhaseStarted)
    kinds = [type(event) for event in one.events]
    assert {Progress, Initialised, Scored, Refreshed} <= set(kinds)
    assert kinds.count(RunEnded) == 1
    ended = one.events[-1]
    assert isinstance(ended, RunEnded)
    assert ended.run is done
    assert len(ended.images.x) == 300
    assert one.closed == 1


def test_everything_is_written_when_the_run_has_ended(registry: Registry, config: RunConfig, tmp_path: Path) -> None:
    """At `RunEnded` all files are there, the provenance says finished, and no checkpoint is left."""
    seen: list[tuple[set[str], str]] = []

    def look(event: Event) -> None:
        if isinstance(event, RunEnded):
            names = {path.name for path in (tmp_path / "run").iterdir()} - {".lock"}
            seen.append((names, json.loads((tmp_path / "run" / "provenance.json").read_text())["status"]))

    registry.add("listener", "mine", lambda folder: look)
    run(config, registry, FILES, out=tmp_path / "run", listen=["mine"])
    assert seen == [(EQUAL | {"provenance.json"}, "finished")]


def test_the_files_are_those_of_a_run_on_its_own(registry: Registry, config: RunConfig, tmp_path: Path) -> None:
    """Whatever follows a run, and if it fails, the run writes the same bytes; `log.csv` is written either way."""
    follower(registry, "sound")
    follower(registry, "failing", fails=staticmethod(lambda event: ValueError("no")))
    listen = ["decda:report", "tensorboard", "sound", "failing"]
    alone = run(config, registry, FILES, out=tmp_path / "alone").folder
    followed = run(config, registry, FILES, out=tmp_path / "followed", listen=listen).folder
    assert {path.name for path in alone.iterdir()} == EQUAL | {"provenance.json"}
    assert {path.name for path in followed.iterdir()} == EQUAL | {"provenance.json", "report.html", "tensorboard"}
    for name in EQUAL:
        assert (alone / name).read_bytes() == (followed / name).read_bytes(), name
    assert len((followed / "log.csv").read_text().splitlines()) == 1 + 2 + 4
    statements = [json.loads((folder / "provenance.json").read_text()) for folder in (alone, followed)]
    for statement in statements:
        for name in ("started", "finished", "seconds"):
            del statement[name]
    assert statements[0] == statements[1]


def at(kind: type, error: BaseException) -> Any:
    """What fails at the first event of a type."""
    return staticmethod(lambda event: error if isinstance(event, kind) else None)


@pytest.mark.parametrize("kind", [PhaseStarted, Refreshed, RunEnded])
@pytest.mark.parametrize("error", [ValueError("no\nreally"), SystemExit(3), MemoryError("all of it")])
def test_a_listener_that_fails_is_left_out(
    registry: Registry, config: RunConfig, tmp_path: Path, kind: type, error: BaseException
) -> None:
    """The run goes on to its end, the failure is told once and in a line, and other listeners are not disturbed."""
    other, told = follower(registry, "other"), []
    own = follower(registry, "mine", fails=at(kind, error))
    run(config, registry, FILES, out=tmp_path / "run", notify=told.append, listen=["mine", "other"])
    (one,), (second,) = own.made, other.made
    assert isinstance(one.events[-1], kind)
    assert sum(isinstance(event, kind) for event in one.events) == 1
    assert one.closed == 1
    assert isinstance(second.events[-1], RunEnded)
    assert not any(isinstance(event, ListenerFailed) for event in second.events)
    reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    assert [event for event in told if isinstance(event, ListenerFailed)] == [ListenerFailed("mine", "local", reason)]
    assert told.index(ListenerFailed("mine", "local", reason)) == told.index(one.events[-1]) + 1
    assert second.events == [event for event in told if not isinstance(event, ListenerFailed)]


def refuse(folder: Path) -> Any:
    raise OSError("no socket")


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        (refuse, "OSError: no socket"),
        (lambda folder: 3, "ContractViolation: it makes a int, which cannot be called with an event"),
    ],
)
def test_a_listener_that_cannot_be_made_is_left_out(
    registry: Registry, config: RunConfig, tmp_path: Path, factory: Any, reason: str
) -> None:
    """A factory that fails, or makes something else, costs no run either."""
    registry.add("listener", "mine", factory)
    told: list[Event] = []
    run(config, registry, FILES, out=tmp_path / "run", notify=told.append, listen=["mine"])
    assert told[0] == ListenerFailed("mine", "local", reason)
    assert isinstance(told[-1], RunEnded)


def test_a_listener_that_cannot_be_closed(registry: Registry, config: RunConfig, tmp_path: Path) -> None:
    """An error in `close` is told like any other, and the other listeners are closed all the same."""

    def fail(self: Follower) -> None:
        raise OSError("disk full")

    follower(registry, "mine", close=fail)
    other, told = follower(registry, "other"), []
    run(config, registry, FILES, out=tmp_path / "run", notify=told.append, listen=["mine", "other"])
    assert told[-1] == ListenerFailed("mine", "local", "OSError: disk full")
    assert other.made[0].closed == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted("SIGINT")])
@pytest.mark.parametrize("kind", [Refreshed, RunEnded])
def test_interrupts_pass_through(
    registry: Registry, config: RunConfig, tmp_path: Path, kind: type, error: BaseException
) -> None:
    """Ctrl-C in a listener ends the program, as anywhere; a run that has finished stays finished, which is told."""
    own, told = follower(registry, fails=at(kind, error)), []
    other = follower(registry, "other")
    with pytest.raises(type(error)) as caught:
        run(config, registry, FILES, out=tmp_path / "run", notify=told.append, listen=["mine", "other"])
    status = json.loads((tmp_path / "run" / "provenance.json").read_text())["status"]
    assert status == ("finished" if kind is RunEnded else "interrupted")
    assert not any(isinstance(event, ListenerFailed) for event in told)
    assert own.made[0].closed == other.made[0].closed == 1
    if kind is RunEnded and isinstance(error, Interrupted):
        assert f"{tmp_path / 'run'} has finished; what follows it was interrupted by SIGINT." in str(caught.value)


@pytest.mark.parametrize("error", [TrainingDiverged("It diverged."), OutputError("The disk is full.")])
def test_a_run_that_fails_closes_its_listeners(
    registry: Registry, config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: DecdaError
) -> None:
    """They are closed once, and hear of no end that did not come."""
    own = follower(registry)

    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(session.Session, "_record", fail)
    with pytest.raises(type(error)):
        run(config, registry, FILES, out=tmp_path / "run", listen=["mine"])
    (one,) = own.made
    assert one.closed == 1
    assert not any(isinstance(event, RunEnded) for event in one.events)


def test_a_run_that_is_given_up_closes_its_listeners(registry: Registry, config: RunConfig, tmp_path: Path) -> None:
    """A run whose steps nobody asks for any more closes them, too."""
    own = follower(registry)
    work = run_stepwise(config, registry, FILES, out=tmp_path / "run", listen=["mine"])
    for _ in range(3):
        next(work)
    assert own.made[0].closed == 0
    work.close()
    assert own.made[0].closed == 1


@pytest.mark.parametrize("steps", [3, 9])
def test_a_resumed_run_makes_its_listeners_again(
    registry: Registry, config: RunConfig, tmp_path: Path, steps: int
) -> None:
    """They get `Resumed` first, and the events from there on; together they were told what one run tells."""
    whole, own = follower(registry, "whole"), follower(registry)
    run(config, registry, FILES, out=tmp_path / "whole", listen=["whole"])
    interrupts = Interrupts()
    work = run_stepwise(config, registry, FILES, out=tmp_path / "run", listen=["mine"], interrupts=interrupts)
    for _ in range(steps):
        next(work)
    interrupts.pending = "SIGTERM"
    with pytest.raises(Interrupted):
        next(work)
    told: list[Event] = []
    run(config, registry, FILES, out=tmp_path / "run", resume=True, notify=told.append, listen=["mine"])
    first, second = own.made
    assert first.closed == second.closed == 1
    assert isinstance(second.events[0], Resumed)
    assert second.events == told

    def steps_of(*followers: Follower) -> list[tuple[str, int]]:
        told = [event for each in followers for event in each.events]
        counted = [("refresh", event.iteration) for event in told if isinstance(event, Refreshed)]
        return counted + [(event.phase, event.step) for event in told if isinstance(event, Progress)]

    assert sorted(steps_of(first, second)) == sorted(steps_of(*whole.made))


def test_a_run_that_begins_again_tells_so_first(registry: Registry, config: RunConfig, tmp_path: Path) -> None:
    """Where no checkpoint had been written, the listeners of the second try hear that before anything else."""
    work = run_stepwise(config, registry, FILES, out=tmp_path / "run")
    next(work)
    work.close()
    own = follower(registry)
    run(config, registry, FILES, out=tmp_path / "run", resume=True, listen=["mine"])
    assert own.made[0].events[:2] == [Resumed("start", 0), PhaseStarted("pretrain", 2)]


def test_nothing_follows_a_finished_run(registry: Registry, config: RunConfig, tmp_path: Path) -> None:
    """A run that had finished changes nothing more, so that no listener is made for it."""
    run(config, registry, FILES, out=tmp_path / "run")
    own = follower(registry)
    run(config, registry, FILES, out=tmp_path / "run", resume=True, listen=["mine"])
    assert own.made == []


def test_libraries_that_a_listener_calls_change_no_training(
    registry: Registry, config: RunConfig, tmp_path: Path
) -> None:
    """Gradients are off while it is called, and the number of threads that it leaves behind is put back."""
    seen: list[tuple[bool, int]] = []

    def meddle(event: Event) -> None:
        seen.append((torch.is_grad_enabled(), torch.get_num_threads()))
        torch.set_num_threads(2)

    registry.add("listener", "mine", lambda folder: meddle)
    alone = run(config, registry, FILES, out=tmp_path / "alone").folder
    followed = run(config, registry, FILES, out=tmp_path / "followed", listen=["mine"]).folder
    assert set(seen) == {(False, 1)}
    assert (alone / "model.safetensors").read_bytes() == (followed / "model.safetensors").read_bytes()


class Checked(Follower):
    """A listener with a package that is not installed."""

    @staticmethod
    def check() -> None:
        raise ConfigError("The listener mine needs telegraphs, which are not installed.", parameter="listen")


class Strict(Follower):
    @staticmethod
    def check() -> None:
        raise ValueError("the key is empty")


class Clumsy(Follower):
    @staticmethod
    def check() -> None:
        raise TypeError("no")


def demanding(folder: Path, *, url: str) -> Any:
    raise AssertionError("it must not be made")


def curious(folder: Path, images: Any, *, n: int = 2) -> Any:
    raise AssertionError("it must not be made")


@pytest.mark.parametrize(
    ("factory", "error", "message"),
    [
        (Checked, ConfigError, "needs telegraphs, which are not installed"),
        (Strict, InvalidParameter, "listener 'mine' (local): the key is empty."),
        (Clumsy, BrokenComponent, "listener 'mine' (local) failed its check: TypeError: no"),
        (demanding, ContractViolation, "listener 'mine' (local) needs a value for 'url', but a listener is made by"),
        (curious, ContractViolation, "listener 'mine' (local) must take folder, and nothing else, before the star"),
        (lambda: None, ContractViolation, "must take folder, and nothing else, before the star"),
        (3, BrokenComponent, "it must be a class or a function"),
    ],
)
@pytest.mark.parametrize("resume", [False, True])
def test_what_cannot_follow_is_refused_before_there_is_a_folder(
    registry: Registry, config: RunConfig, tmp_path: Path, factory: Any, error: type, message: str, resume: bool
) -> None:
    """What a listener lacks is said at once; nothing is made or changed."""
    registry.add("listener", "mine", factory)
    with pytest.raises(error) as caught:
        run(config, registry, FILES, out=tmp_path / "run", listen=["mine"], resume=resume)
    assert message in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_unknown_and_ambiguous_listeners(registry: Registry, config: RunConfig, tmp_path: Path) -> None:
    """A name that nobody, or more than one package, registers is refused with the names that there are."""
    twins = [Entry("listener", "twin", package, "1.0", "nowhere", "Twin") for package in ("first", "second")]
    twin = Registry([*registry, *twins])
    for name, error, message in (
        ("tensorbord", UnknownComponent, "Unknown listener 'tensorbord'. Did you mean 'tensorboard'?"),
        ("twin", AmbiguousComponent, "Pick one: first:twin or second:twin."),
        ("first:twin", BrokenComponent, "there is no module 'nowhere'; reinstall first"),
    ):
        with pytest.raises(error) as caught:
            run(config, twin, FILES, out=tmp_path / "run", listen=[name])
        assert message in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_listener_named_twice_listens_once(registry: Registry) -> None:
    """A bare name and the name with its package mean the same listener."""
    names = ["tensorboard", "decda:report", "decda:tensorboard", "report"]
    assert [found.entry.name for found in find_listeners(names, registry)] == ["tensorboard", "report"]


@pytest.mark.parametrize(
    ("value", "names"),
    [(None, ("decda:report",)), ("", ("decda:report",)), ("0", ("decda:report",)), (" False", ("decda:report",))]
    + [(value, ()) for value in ("1", "true", "yes", "no")],
)
def test_the_variable_that_forbids_reports(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, value: str | None, names: tuple[str, ...]
) -> None:
    """Any value but nothing, 0 and false means no report, unless one is asked for."""
    monkeypatch.delenv("DECDA_NO_REPORT", raising=False)
    if value is not None:
        monkeypatch.setenv("DECDA_NO_REPORT", value)
    assert default_listeners(registry) == names
    assert default_listeners(registry, True) == ("decda:report",)
    assert default_listeners(registry, False) == ()


def test_a_registry_without_reports_writes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of one's own need not hold what writes reports; who asks for one all the same is told."""
    monkeypatch.delenv("DECDA_NO_REPORT")
    assert default_listeners(Registry()) == ()
    with pytest.raises(UnknownComponent, match="Unknown listener 'decda:report'"):
        find_listeners(default_listeners(Registry(), True), Registry())
