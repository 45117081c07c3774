"""What people see of a run."""

import io
import re

import pytest
import torch
from rich.console import Console

from decda import console
from decda.console import ProgressDisplay
from decda.core.composition import compose
from decda.core.events import Batch, Downloading, Event, PhaseEnded, PhaseStarted, Progress, Refreshed, Scored
from decda.core.registry import Registry

LABELS = torch.zeros(3, dtype=torch.int64)
STORY: list[Event] = [
    Downloading("mnist/x.gz", 1_000_000, None),
    Downloading("mnist/x.gz", 2_000_000, 4_000_000),
    PhaseStarted("pretrain", 5),
    Batch("pretrain", 3, 7),
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
    """Off a terminal each thing is a plain line on stderr, without control codes, and stdout stays empty."""
    monkeypatch.setattr(console, "PLAIN_SECONDS", 0.0)
    with ProgressDisplay(compose(registry)) as display:
        for event in STORY:
            display(event)
    out, err = capsys.readouterr()
    assert out == ""
    assert "\x1b" not in err
    for line in (
        "digits · conv · idec · shift",
        "download mnist/x.gz  2.0 of 4.0 MB",
        "pretrain epoch 1, batch 3/7",
        "pretrain epoch 1/5  loss 0.25  at most",
        "cluster iteration 30/100  ACC 0.500  ARI 0.125  loss 2  changed 25.00%  at most",
        "cluster converged after 60 iterations",
    ):
        assert line in err


def test_lines_come_every_few_seconds(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    """Between two lines some seconds pass, however many events come."""
    with ProgressDisplay(compose(registry)) as display:
        display(PhaseStarted("cluster", 1000))
        for step in range(1000):
            display(Progress("cluster", step, 1000, {}))
    assert "iteration" not in capsys.readouterr().err


def test_short_epochs_are_told_by_their_end(
    registry: Registry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches are told only where an epoch takes long; else the end of the epoch is, which tells the loss."""
    clock = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    with ProgressDisplay(compose(registry)) as display:
        display(PhaseStarted("pretrain", 9))
        for epoch in range(1, 9):
            for batch in range(1, 4):
                clock[0] += 0.7
                display(Batch("pretrain", batch, 3))
            display(Progress("pretrain", epoch, 9, {"reconstruction": torch.tensor(0.5)}))
        short = capsys.readouterr().err
        for batch in range(1, 4):
            clock[0] += 8
            display(Batch("pretrain", batch, 3))
        long = capsys.readouterr().err
    assert "batch" not in short
    assert short.count("loss 0.5") == 2
    assert long.splitlines() == [f"pretrain epoch 9, batch {batch}/3" for batch in (1, 3)]


def test_a_terminal_gets_a_live_display(registry: Registry) -> None:
    """On a terminal: a bar for each phase, with loss, share of changed labels and the scores there are."""
    display = ProgressDisplay(compose(registry))
    display.console = Console(width=140, force_terminal=True, stderr=True)
    display.live = True
    display.progress.live.console = display.console
    display.progress.disable = False
    with display:
        for event in STORY:
            display(event)
        shown = io.StringIO()
        Console(width=140, file=shown).print(display.progress.get_renderable())
    text = shown.getvalue()
    for pattern in (r"download .* 2/4 MB", r"pretrain .* 5/5 ", r"centers .* 1/1 ", r"cluster .* 60/60 .*ACC 0.500"):
        assert re.search(pattern, text), (pattern, text)
    assert "changed 25.00%" in text
    assert "NMI" not in text
