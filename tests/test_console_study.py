"""The console output of studies."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from decda.console import screen
from decda.console.study import StudyDisplay, print_study, study_table
from decda.core.config.composition import compose
from decda.core.events import PhaseStarted, Scored
from decda.core.execution.messages import Failed, Finished, OutputLine
from decda.core.parts.registry import Registry
from decda.core.studies.results import COLUMNS, Results
from decda.core.studies.study import Entered, Study
from decda.core.studies.summary import Summary, summarise
from decda.core.studies.trials import Pretraining, Trial

PUBLISHED = {"FcDEC-DA": (0.980, 0.945), "FcDCN-DA": (0.969, 0.929), "mine": None}
ROWS = {("FcDEC-DA", 0): (0.975, 0.94), ("FcDEC-DA", 1): (0.981, 0.95), ("FcDCN-DA", 0): (0.90, 0.93)}


class Shown(Trial):
    """A trial with a placeholder configuration."""

    @property
    def config(self) -> Any:
        """A default configuration, which is not displayed."""
        return compose(Registry.discover())


def trial(row: str, seed: int) -> Trial:
    cell: Any = SimpleNamespace(row=row, column="usps", published=PUBLISHED[row])
    pretraining = Pretraining(Path(f"ae-{seed}"), compose(Registry.discover()), "usps fc augmented")
    return Shown(cell, seed, Path(f"trials/{row}-{seed}"), pretraining)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Three rows of two trials, of which three are finished and one has failed."""
    results = Results(tmp_path / "results.csv")
    for (row, seed), (acc, nmi) in ROWS.items():
        figures = {"acc": acc, "nmi": nmi, "ari": 0.5}
        results.add(dict.fromkeys(COLUMNS, "") | figures | {"run": f"{row}-{seed}"})
    trials = [trial(row, seed) for seed in (0, 1) for row in PUBLISHED]
    return Study(tmp_path, "paper", trials, results, {"FcDCN-DA-1": Failed(1, "It [diverged].", 4)})


def drawn(renderable: Any, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_table_is_compared_with_the_paper(study: Study) -> None:
    """The table has means and deviations, and below them the published figures and the number of finished trials."""
    lines = [
        line.rstrip()
        for line in drawn(study_table(summarise(study.trials, study.results), {("mine", "usps")})).splitlines()
    ]
    assert lines == [
        "          usps",
        "FcDEC-DA  .978 ±.004  .945 ±.007",
        "          paper .980 .945  2/2",
        "FcDCN-DA  .900 .930",
        "          paper .969 .929  1/2",
        "mine      running",
        "          0/2",
    ]


@pytest.mark.parametrize(
    ("acc", "colour"), [(1.0, "green"), (0.970, "green"), (0.9699, "yellow"), (0.950, "yellow"), (0.9499, "red")]
)
def test_colours_by_distance(acc: float, colour: str) -> None:
    """Means are green if at most .01 below the published one, yellow if at most .03 below, and red otherwise."""
    mean = {"acc": acc, "nmi": 0.99}
    summary = Summary("x", "usps", 1, 1, mean, {"acc": None, "nmi": None}, (0.980, 0.945))
    console = Console(file=io.StringIO(), width=60, force_terminal=True, color_system="standard")
    console.print(study_table([summary]))
    codes = {"green": "\x1b[1;32m", "yellow": "\x1b[1;33m", "red": "\x1b[1;31m"}
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert [name for name, code in codes.items() if code in shown] == [colour]


def test_a_low_terminal_shows_running_rows(study: Study) -> None:
    """If not all rows fit, those with running trials have precedence, and the others are counted."""
    text = drawn(study_table(summarise(study.trials, study.results), {("mine", "usps")}, max_rows=2))
    assert [name for name in PUBLISHED if name in text] == ["FcDEC-DA", "mine"]
    assert "and 1 more rows" in text


def test_the_end_of_a_study(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    """The summary has the number of reproduced cells, shared pretrainings, the folder and the failures."""
    print_study(study)
    out, err = capsys.readouterr()
    assert out == ""
    assert "1 of 2 cells are within 0.01 of the published means, or above them." in err
    assert "Pretrained once (usps fc augmented): FcDEC-DA, FcDCN-DA, mine." in err
    assert str(study.folder / "results.csv") in err
    assert "Error: FcDCN-DA-1: It [diverged]." in err


def test_a_pipe_gets_plain_lines(
    study: Study, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal, plain lines report kept trials, their output and their results by name."""
    monkeypatch.setattr(screen, "PLAIN_SECONDS", 0.0)
    first, second, third = study.trials[:3]
    result = {"acc": 0.5, "nmi": 0.25, "ari": None, "seconds": {"total": 12.0}}
    with StudyDisplay("table3") as display:
        display.start(study)
        display(first, Entered({"acc": 0.975, "nmi": 0.94}, kept=True))
        display(second.pretraining, PhaseStarted("pretrain", 5))
        display(second.pretraining, Finished(0, result, [1]))
        display(second, PhaseStarted("cluster", 5))
        display(second, OutputLine("a part prints"))
        display(second, Scored({"acc": 0.5, "nmi": 0.25, "ari": None}))
        display(second, Finished(0, result, [1]))
        display(second, Entered({"acc": 0.5, "nmi": 0.25}, kept=False))
        display(third, Failed(0, "It diverged.", 4))
    assert capsys.readouterr().err.splitlines() == [
        "table3",
        "usps FcDEC-DA seed 0: kept  ACC 0.975  NMI 0.940",
        "usps fc augmented autoencoder seed 0: finished, 12.0 s  ACC 0.500  NMI 0.250",
        "usps FcDCN-DA seed 0: a part prints",
        "usps FcDCN-DA seed 0: finished, 12.0 s  ACC 0.500  NMI 0.250",
        "usps mine seed 0: failed: It diverged.",
    ]


def test_a_terminal_gets_the_table_and_a_line_per_run(study: Study) -> None:
    """The table is above the lines of running trials; a failure is printed; the display is empty at the end."""
    console = Console(file=io.StringIO(), width=100, height=30, force_terminal=True, color_system=None)
    display = StudyDisplay("table3", console)
    assert "loading" in drawn(display.screen.progress.get_renderable())
    display.start(study)
    first, second = study.trials[:2]
    display(first, PhaseStarted("cluster", 5))
    display(second, PhaseStarted("cluster", 5))
    shown = drawn(display.screen.progress.get_renderable())
    assert shown.index("paper .980 .945") < shown.index("usps FcDEC-DA seed 0  cluster")
    assert "usps FcDCN-DA seed 0" in shown
    display(first, Failed(0, "It diverged.", 4))
    shown = drawn(display.screen.progress.get_renderable())
    assert "usps FcDEC-DA seed 0" not in shown
    assert "usps FcDEC-DA seed 0: failed: It diverged." in console.file.getvalue()  # type: ignore[attr-defined]
    with display:
        pass
    assert "paper" not in drawn(display.screen.progress.get_renderable())
