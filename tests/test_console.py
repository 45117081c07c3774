"""The console output of runs."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from decda.console import ProgressDisplay, SeedsDisplay, print_result, print_seeds_result, progress, screen
from decda.core.config.composition import compose
from decda.core.events import (
    BatchEnded,
    Downloading,
    Event,
    PhaseEnded,
    PhaseStarted,
    Progress,
    Refreshed,
    Scored,
    StepFallback,
)
from decda.core.execution.messages import Failed, Finished, OutputLine
from decda.core.parts.registry import Registry
from decda.core.studies.seeds_result import SeedsResult

LABELS = torch.zeros(3, dtype=torch.int64)
STORY: list[Event] = [
    Downloading("mnist/x.gz", 1_000_000, None),
    Downloading("mnist/x.gz", 2_000_000, 4_000_000),
    PhaseStarted("pretrain", 5),
    BatchEnded("pretrain", 3, 7),
    Progress("pretrain", 1, 5, {"reconstruction": torch.tensor(0.25)}),
    PhaseEnded("pretrain", 5, "completed"),
    PhaseStarted("init_centers", 1),
    PhaseEnded("init_centers", 1, "completed"),
    PhaseStarted("cluster", 100),
    Scored({"acc": 0.5, "nmi": None, "ari": 0.125}),
    Refreshed(30, 100, LABELS, 0.25, {"kl": torch.tensor(2.0)}),
    PhaseEnded("cluster", 60, "converged"),
]


def test_a_pipe_gets_plain_lines(
    registry: Registry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal, events are plain lines on stderr without control codes, and stdout stays empty."""
    monkeypatch.setattr(screen, "PLAIN_SECONDS", 0.0)
    with ProgressDisplay(compose(registry)) as display:
        for event in STORY:
            display(event)
    out, err = capsys.readouterr()
    assert out == ""
    assert "\x1b" not in err
    for line in (
        "digits · conv · idec · affine",
        "download mnist/x.gz  2.0 of 4.0 MB",
        "pretrain epoch 1, batch 3/7",
        "pretrain epoch 1/5  loss 0.25  at most",
        "cluster iteration 30/100  ACC 0.500  ARI 0.125  loss 2  changed 25.00%  at most",
        "cluster converged after 60 iterations",
    ):
        assert line in err


def test_plain_lines_are_throttled(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines are printed only every few seconds, however many events there are."""
    with ProgressDisplay(compose(registry)) as display:
        display(PhaseStarted("cluster", 1000))
        for step in range(1000):
            display(Progress("cluster", step, 1000, {}))
    assert "iteration" not in capsys.readouterr().err


def test_short_epochs_are_reported_at_their_end(
    registry: Registry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches are reported only if an epoch takes long; otherwise the end of the epoch is, with its loss."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with ProgressDisplay(compose(registry)) as display:
        display(PhaseStarted("pretrain", 9))
        for epoch in range(1, 9):
            for batch in range(1, 4):
                clock[0] += 0.7
                display(BatchEnded("pretrain", batch, 3))
            display(Progress("pretrain", epoch, 9, {"reconstruction": torch.tensor(0.5)}))
        short = capsys.readouterr().err
        for batch in range(1, 4):
            clock[0] += 8
            display(BatchEnded("pretrain", batch, 3))
        long = capsys.readouterr().err
    assert "batch" not in short
    assert short.count("loss 0.5") == 2
    assert long.splitlines() == [f"pretrain epoch 9, batch {batch}/3" for batch in (1, 3)]


def terminal(height: int = 40) -> Console:
    return Console(width=140, height=height, force_terminal=True, file=io.StringIO())


def shown(display: ProgressDisplay | SeedsDisplay) -> str:
    """The current content of the display."""
    drawn = io.StringIO()
    Console(width=140, file=drawn).print(display.screen.progress.get_renderable())
    return drawn.getvalue()


def test_a_terminal_gets_a_live_display(registry: Registry) -> None:
    """A terminal shows a bar per phase with the loss, the share of changed labels and the available scores."""
    with ProgressDisplay(compose(registry), terminal()) as display:
        for event in STORY:
            display(event)
        text = shown(display)
    for pattern in (r"download .* 2/4 MB", r"pretrain .* 5/5 ", r"centers .* 1/1 ", r"cluster .* 60/60 .*ACC 0.500"):
        assert re.search(pattern, text), (pattern, text)
    assert "changed 25.00%" in text
    assert "NMI" not in text


class Loss:
    """A loss that counts how often it is read, because reading one from a GPU has to wait for it."""

    reads = 0

    def __float__(self) -> float:
        Loss.reads += 1
        return 0.125


def test_the_display_does_not_slow_down_steps(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The display is updated at most ten times a second, however fast steps are, and always at the end of a phase."""
    clock = [50.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with ProgressDisplay(compose(registry), terminal()) as display:
        updates = []
        update = display.screen.progress.update
        monkeypatch.setattr(
            display.screen.progress, "update", lambda *a, **words: (updates.append(words), update(*a, **words))
        )
        display(PhaseStarted("pretrain", 5000))
        for epoch in range(1, 5001):
            clock[0] += 0.0001
            display(BatchEnded("pretrain", 1, 1))
            clock[0] += 0.0001
            display(Progress("pretrain", epoch, 5000, {"reconstruction": Loss()}))  # type: ignore[dict-item]
        assert 9 <= len(updates) <= 12
        assert Loss.reads <= 12
        display(PhaseEnded("pretrain", 5000, "completed"))
        assert re.search(r"pretrain .* 5000/5000 .*loss 0.125", shown(display))
        display(PhaseStarted("cluster", 900))
        updates.clear()
        for step in range(1, 901):
            display(Progress("cluster", step, 900, {}))
        assert len(updates) == 1
        display(PhaseEnded("cluster", 900, "completed"))
        assert "900/900" in shown(display)


def test_a_throttled_loss_is_shown_with_the_next_batch(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """If an epoch ends right after an update, its loss is shown with the next update."""
    clock = [50.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with ProgressDisplay(compose(registry), terminal()) as display:
        display(PhaseStarted("pretrain", 5))
        display(BatchEnded("pretrain", 2, 2))
        display(Progress("pretrain", 1, 5, {"reconstruction": torch.tensor(0.5)}))
        assert "loss" not in shown(display)
        clock[0] += 1
        display(BatchEnded("pretrain", 1, 2))
        assert re.search(r"pretrain .* 2/5 .*loss 0.5", shown(display))


def test_the_last_loss_is_reported_at_the_end_of_a_phase(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal, too, the last line of a phase has the loss of its last epoch."""
    with ProgressDisplay(compose(registry)) as display:
        display(PhaseStarted("pretrain", 2))
        for epoch, loss in ((1, 0.5), (2, 0.25)):
            display(Progress("pretrain", epoch, 2, {"reconstruction": torch.tensor(loss)}))
        display(PhaseEnded("pretrain", 2, "completed"))
    assert re.search(r"pretrain completed after 2 epochs, .* s  loss 0.25\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            StepFallback("graph", "encoder", "RuntimeError: no"),
            "Steps could not be captured as a CUDA graph (encoder 'conv': RuntimeError: no). "
            "Training continues with plain steps.",
        ),
        (
            StepFallback("compiled", None, "TypeError: [red]"),
            "Steps could not be compiled (TypeError: [red]). Training continues with plain steps.",
        ),
    ],
)
def test_a_step_fallback_is_reported(
    registry: Registry, capsys: pytest.CaptureFixture[str], event: StepFallback, words: str
) -> None:
    """One line states the mode that failed, the part and the reason, with and without a terminal."""
    with ProgressDisplay(compose(registry)) as display:
        display(event)
    assert capsys.readouterr().err.splitlines()[1:] == [words]
    screen = terminal()
    with ProgressDisplay(compose(registry), screen) as display:
        display(PhaseStarted("pretrain", 2))
        display(event)
    assert words in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.file.getvalue())  # type: ignore[attr-defined]


def finished(seed: int, acc: float | None, iterations: int = 60) -> Finished:
    scores = {"acc": acc, "nmi": acc, "ari": acc}
    result = {
        "seed": seed,
        "n_samples": 3,
        "n_clusters": 2,
        **scores,
        "iterations": iterations,
        "seconds": {"total": 732.0},
        "baseline": scores,
        "start": scores,
        "warnings": [],
    }
    return Finished(seed, result, [1, 2])


def test_several_seeds_get_a_line_each(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal shows one line per seed, from waiting to its outcome, with its own phase and figures."""
    monkeypatch.setattr(progress, "LIVE_SECONDS", 0.0)
    with SeedsDisplay(compose(registry), [3, 8, 10, 11], terminal()) as display:
        for event in STORY[2:5]:
            display(3, event)
        for event in STORY[2:]:
            display(8, event)
        display(10, Failed(10, "Out of [red]luck[/red]."))
        lines = shown(display).splitlines()
        assert [line[:15].rstrip() for line in lines] == [
            "seed  3  pretra"[:15],
            "seed  8  cluste"[:15],
            "seed 10  failed",
            "seed 11  waitin",
        ]
        assert "1/5" in lines[0]
        assert "loss 0.25" in lines[0]
        assert "60/60" in lines[1]
        assert "Out of [red]luck[/red]." in lines[2]
        display(8, finished(8, 0.75))
        assert re.search(r"seed  8  done .*60/60 .*ACC 0.750", shown(display))


def test_a_long_message_is_truncated(registry: Registry) -> None:
    """A long message is truncated, so that other columns stay visible and no line wraps."""
    with SeedsDisplay(compose(registry), [0, 1], terminal()) as display:
        display(0, Failed(0, "It was " + "very " * 50 + "bad."))
        lines = shown(display).splitlines()
    assert len(lines) == 2
    assert re.match(r"seed 0  failed  ", lines[0])
    assert re.match(r"seed 1  waiting ", lines[1])


def test_more_seeds_than_lines(registry: Registry) -> None:
    """If the terminal has too few lines, only running seeds have one, and another line counts finished seeds."""
    with SeedsDisplay(compose(registry), range(100), terminal(height=24)) as display:
        for seed in (0, 1, 2):
            display(seed, PhaseStarted("pretrain", 5))
        display(1, finished(1, 0.5))
        display(2, Failed(2, "no"))
        text = shown(display)
    assert re.search(r"seeds .* 2/100", text)
    assert re.findall(r"seed +(\d+) ", text) == ["0"]


def test_several_seeds_off_a_terminal(
    registry: Registry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal, plain lines begin with the seed, are throttled jointly, and report each outcome."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with SeedsDisplay(compose(registry), [3, 1000]) as display:
        display.reading(Downloading("x.gz", 1_000_000, None))
        for seed in (3, 1000):
            display(seed, PhaseStarted("cluster", 1000))
        for step in range(1, 101):
            clock[0] += 0.2
            display(3, Progress("cluster", step, 1000, {}))
            display(1000, Progress("cluster", step, 1000, {}))
        display(3, finished(3, None))
        display(1000, OutputLine("a [red] line"))
        display(1000, Failed(1000, "It diverged."))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "digits · conv · idec · affine · seeds 3,1000"
    assert lines[1] == "download x.gz  1.0 MB"
    passing = [line for line in lines if "iteration" in line]
    assert 3 <= len(passing) <= 4  # in twenty seconds
    assert all(re.match(r"seed (3|1000): cluster iteration \d+/1000 ", line) for line in passing)
    assert lines[-3:] == ["seed 3: finished, 12 min 12 s", "seed 1000: a [red] line", "seed 1000: failed: It diverged."]


def test_the_table_of_several_seeds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The table has a row per seed, the mean and the sample standard deviation; each failure message appears once."""
    failed = [Failed(2, "No [red]luck[/red]."), Failed(3, "No [red]luck[/red]."), Failed(9, "Killed.")]
    series = SeedsResult(tmp_path, [finished(0, 0.5), finished(1, 1.0, 90)], failed)
    print_seeds_result(series)
    out, err = capsys.readouterr()
    assert out == ""
    rows = [line.strip("│ ").split() for line in err.splitlines()]
    assert ["0", "0.5000", "0.5000", "0.5000", "0.5000", "60", "12.2"] in rows
    assert ["mean", "0.7500", "0.7500", "0.7500", "0.7500", "75.0", "12.2"] in rows
    assert ["std", "0.3536", "0.3536", "0.3536", "0.3536", "21.2", "0.0"] in rows
    assert ["9", "failed"] in rows
    assert err.splitlines()[-2:] == ["Error: seeds 2-3: No [red]luck[/red].", "Error: seed 9: Killed."]


def test_seeds_may_have_counted_different_numbers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The heading names each number of clusters that a seed has, and no seed is to be used; one, where all agree."""
    several = [finished(seed, 0.5) for seed in range(3)]
    counted = [replace(run, result={**run.result, "n_clusters": k}) for run, k in zip(several, (9, 11, 9), strict=True)]
    print_seeds_result(SeedsResult(tmp_path, counted, []))
    err = " ".join(capsys.readouterr().err.replace("│", "").split())
    assert "images, 9 or 11 clusters" in err
    assert "No seed is named as the one to use: they have different numbers of clusters (9, 11), across which" in err
    assert "to use, judged" not in err
    print_seeds_result(SeedsResult(tmp_path, several, []))
    assert re.search(r"images, \d+ clusters", capsys.readouterr().err)


def test_a_start_that_was_kept_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Below the scores a line says that the model is that from the start of clustering, where it is."""
    result = {
        "run": "x", "n_samples": 9, "n_clusters": 2, "acc": None, "seconds": {"total": 1.0}, "warnings": [],
        "baseline": {}, "start": {},
    }  # fmt: skip
    for kept, told in (({"kept": "start"}, True), ({"kept": "end"}, False), ({}, False)):
        print_result({**result, **kept}, [4, 5])
        assert ("kept: the model from the start of clustering" in capsys.readouterr().err) == told


def test_the_table_omits_missing_values(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Without classes there are no score columns, and without a finished run there is no table."""
    print_seeds_result(SeedsResult(tmp_path, [finished(4, None)], []))
    err = capsys.readouterr().err
    assert "ACC" not in err
    assert "mean" not in err
    assert re.search(r"4 +60 +12\.2", err)
    print_seeds_result(SeedsResult(tmp_path, [], [Failed(1, "No.")]))
    assert capsys.readouterr().err == "Error: seed 1: No.\n"
