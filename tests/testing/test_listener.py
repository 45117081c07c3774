"""The rules for listeners, with listeners that break each of them."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
import torch

from decda.core.errors import ConfigError
from decda.core.events import (
    BatchEnded,
    ClustersCounted,
    Event,
    Initialised,
    PhaseEnded,
    PhaseStarted,
    Progress,
    Refreshed,
    Resumed,
    RunEnded,
    Scored,
)
from decda.testing import check_listener
from decda.testing.following import INTERRUPTED_AFTER, SETS, follow
from decda.testing.rules import Subject, try_rule
from decda.testing.suite import RULES, try_all
from tests.testing.breakages import Breakage


class Sound:
    """Writes the names of all events to a file."""

    def __init__(self, folder: Path, *, name: Annotated[str, "of the file"] = "heard.txt"):
        self.file = (folder / name).open("a")

    def __call__(self, event: Event) -> None:
        self.file.write(f"{type(event).__name__}\n")

    def close(self) -> None:
        self.file.close()


def silent(folder: Path) -> Callable[[Event], None]:
    """Does nothing, and cannot be closed."""
    return lambda event: None


class Uninstalled(Sound):
    """Needs a package that is not there."""

    @staticmethod
    def check() -> None:
        raise ConfigError("It needs telegraphs, which are not installed.")


class Demanding(Sound):
    def __init__(self, folder: Path, *, url: Annotated[str, "where to"]):
        super().__init__(folder)


class Helpless(Sound):
    def __init__(self, folder: Path, *, n: int = 2):
        super().__init__(folder)


class Curious(Sound):
    def __init__(self, folder: Path, images: Any):
        super().__init__(folder)


class Placeless:
    def __init__(self, *, n: Annotated[int, "a number"] = 2): ...


def nothing(folder: Path) -> None:
    return None


def failing_check(folder: Path) -> Callable[[Event], None]:
    return silent(folder)


failing_check.check = lambda: 1 / 0  # type: ignore[attr-defined]


class Part:
    """A listener that is broken in one respect."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __call__(self, event: Event) -> None:
        """Do nothing."""


class Unready(Part):
    def __call__(self, event: Any) -> None:
        if isinstance(event, ClustersCounted):
            raise NotImplementedError("counted clusters")


class Closed(Part):
    """Knows all events of today."""

    def __call__(self, event: Any) -> None:
        assert type(event).__module__ == "decda.core.events", f"unknown event {type(event).__name__}"


class WithClasses(Part):
    def __call__(self, event: Event) -> None:
        if isinstance(event, Scored):
            f"{event.scores['acc']:.3f}"


class OfPictures(Part):
    def __call__(self, event: Event) -> None:
        if isinstance(event, RunEnded):
            assert event.images.x.shape[2] > 1, "it is flat"


class Whole(Part):
    """Believes that it hears every run from its start."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.epochs: int | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, PhaseStarted) and event.phase == "pretrain":
            self.epochs = event.total
        if isinstance(event, Refreshed):
            assert self.epochs is not None, "no pretraining"


class Once(Part):
    """Believes that a folder is always new."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        (folder / "mine").mkdir()


class Scaling(Part):
    def __call__(self, event: Event) -> None:
        if isinstance(event, Initialised):
            event.embeddings.div_(event.embeddings.std())


class Renumbering(Part):
    def __call__(self, event: Event) -> None:
        if isinstance(event, RunEnded):
            event.run.labels[:] = 0


class Pruning(Part):
    def __call__(self, event: Event) -> None:
        if isinstance(event, RunEnded):
            event.run.model.head.centers.data.zero_()


class Whitening(Part):
    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            for term in event.terms.values():
                term.zero_()


class Editing(Part):
    def __call__(self, event: Event) -> None:
        if isinstance(event, RunEnded):
            with (self.folder / "log.csv").open("a") as file:
                file.write("the end\n")


class Unclosable(Part):
    def __init__(self, folder: Path):
        super().__init__(folder)
        self.phase: str | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, PhaseEnded | Resumed):
            self.phase = event.phase

    def close(self) -> None:
        assert self.phase is not None, "nothing was heard"


class Abroad(Part):
    def __call__(self, event: Event) -> None:
        if isinstance(event, RunEnded):
            Path("summary.txt").write_text("done")


class Beside(Part):
    def __call__(self, event: Event) -> None:
        if isinstance(event, RunEnded):
            (self.folder.parent / "all-runs.txt").write_text("done")


class Scribbling(Part):
    def __call__(self, event: Event) -> None:
        if isinstance(event, RunEnded):
            for path in self.folder.parent.glob("*.txt"):
                path.write_text("done")


class Drawing(Part):
    def __call__(self, event: Event) -> None:
        if isinstance(event, RunEnded):
            torch.randperm(len(event.images.x))


class Reseeding(Part):
    def __call__(self, event: Event) -> None:
        if isinstance(event, Refreshed):
            random.seed(3)


class Loud(Part):
    def __call__(self, event: Event) -> None:
        if isinstance(event, BatchEnded):
            os.write(1, b"batch\n")


BREAKAGES = [
    Breakage("signature", Demanding, "its parameter 'url' has no default; a listener is made by its name alone"),
    Breakage("signature", Helpless, "'n' has no help"),
    Breakage("signature", Curious, "'images' stands before the star, where only folder may"),
    Breakage("signature", Placeless, "'folder' is missing from the signature"),
    Breakage("type", nothing, "it makes a NoneType, which cannot be called with an event"),
    Breakage("type", failing_check, "ZeroDivisionError"),
    Breakage("events", Unready, "NotImplementedError: counted clusters (test_listener.py, line"),
    Breakage("events", Closed, "unknown event _Later"),
    Breakage("events", WithClasses, "TypeError: unsupported format string passed to NoneType"),
    Breakage("events", OfPictures, "it is flat"),
    Breakage("resumed", Whole, "no pretraining"),
    Breakage("resumed", Once, "FileExistsError"),
    Breakage("inputs", Scaling, "it changes its input Initialised.embeddings in place"),
    Breakage("inputs", Renumbering, "RunEnded.labels"),
    Breakage("inputs", Pruning, "RunEnded.head.centers"),
    Breakage("inputs", Whitening, "Progress.terms."),
    Breakage("result", Editing, "log.csv of a run that it follows differs"),
    Breakage("close", Unclosable, "nothing was heard"),
    Breakage("folder", Abroad, "it writes summary.txt; write below the folder"),
    Breakage("folder", Beside, "it writes ../all-runs.txt;"),
    Breakage("folder", Scribbling, "it changes a file beside the folder"),
    Breakage("global generators", Drawing, "the global generator of torch;"),
    Breakage("global generators", Reseeding, "the global generator of random;"),
    Breakage("stdout", Loud, "it writes 'batch\\n' to stdout"),
]


@pytest.mark.parametrize("listener", [Sound, silent])
def test_sound_listeners_pass(listener: Any) -> None:
    """A class or a function, with a method `close` or without."""
    assert {outcome.status for outcome in try_all(Subject("listener", "it", listener))} == {"passed"}


def test_parameters_are_passed() -> None:
    """Values that are given to the check reach the listener."""
    with pytest.raises(AssertionError, match="listener Sound breaks the rule 'type' .*FileNotFoundError"):
        check_listener(Sound, name="no/such/folder.txt")


def test_what_cannot_be_used_here_is_skipped() -> None:
    """Where the listener's own check refuses it, the rules that make it are skipped, with that reason."""
    outcomes = {outcome.rule.name: outcome for outcome in try_all(Subject("listener", "it", Uninstalled))}
    assert outcomes.pop("signature").status == "passed"
    assert {(outcome.status, outcome.seen) for outcome in outcomes.values()} == {
        ("skipped", "It needs telegraphs, which are not installed.")
    }


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda b: f"{b.rule}-{b.factory.__name__}")
def test_a_rule_finds_its_breakage(breakage: Breakage) -> None:
    """Each rule is broken by a listener made for it, and says what it saw."""
    (rule,) = [rule for rule in RULES["listener"] if rule.name == breakage.rule]
    outcome = try_rule(rule, Subject("listener", "the part", breakage.factory))
    assert outcome.status == "failed"
    assert breakage.seen in outcome.seen


def test_every_rule_has_a_breakage() -> None:
    """No rule is without a listener that breaks it."""
    assert {rule.name for rule in RULES["listener"]} == {breakage.rule for breakage in BREAKAGES}


def test_what_is_no_listener_is_tried_no_further() -> None:
    """Where nothing can be called, the rules after `type` are not tried."""
    outcomes = list(try_all(Subject("listener", "it", nothing)))
    assert [outcome.status for outcome in outcomes] == ["passed", "failed", *["skipped"] * (len(outcomes) - 2)]


class Hearing(Part):
    """Remembers what it heard."""

    heard: ClassVar[list[list[Event]]] = []

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.heard.append([])

    def __call__(self, event: Event) -> None:
        self.heard[-1].append(event)


def test_the_runs_of_the_kit_are_real(tmp_path: Path) -> None:
    """They pretrain, cluster and end; interrupted ones are resumed twice, in pretraining and in clustering."""
    Hearing.heard.clear()
    done = follow(Hearing, tmp_path / "run", interrupted_after=INTERRUPTED_AFTER)
    first, second, third = Hearing.heard
    assert [type(each[0]) for each in (first, second, third)] == [PhaseStarted, Resumed, Resumed]
    assert [each[0].phase for each in (second, third)] == ["pretrain", "cluster"]  # type: ignore[union-attr]
    assert isinstance(third[-1], RunEnded)
    assert third[-1].run is done
    assert (tmp_path / "run" / "labels.csv").is_file()
    for number, make_images in enumerate(SETS):
        run = follow(None, tmp_path / str(number), make_images)
        assert len(run.labels) == 26
