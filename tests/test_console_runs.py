"""What `decda runs` shows."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from decda.console.runs import print_runs
from decda.core.runs.overview import Overview
from decda.core.studies.listing import ListedRun, Listing

PARTS = {
    "dataset": "decda:digits",
    "encoder": "decda:fc",
    "head": "decda:idec",
    "augment": "decda:affine+decda:noise",
    "start": "decda:kmeans",
}
NOW = 1_000_000.0


def run(name: str, **words: Any) -> ListedRun:
    """A finished run of ten minutes ago."""
    usual: dict[str, Any] = {
        "status": "finished",
        "recipe": "quick",
        "parts": PARTS,
        "scores": {"acc": 0.9876, "nmi": 0.5, "ari": None},
        "time": NOW - 600,
        "n_bytes": 1_200_000,
    }
    return ListedRun(Overview(folder=Path("runs") / name, **usual | words))


def seeds(*runs: ListedRun, **words: Any) -> ListedRun:
    return ListedRun(run("all", **words).overview, tuple(range(len(runs))), tuple(each.overview for each in runs))


def lines(*runs: ListedRun, width: int = 120, **how: Any) -> list[str]:
    """What is printed on a terminal, without colours."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    print_runs(Listing(Path("runs"), runs), NOW, console=console, **how)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_a_line_for_each_run() -> None:
    """Where the terminal is wide enough, a run is a line, with all that is known of it."""
    assert lines(run("a"), run("b", recipe=None, scores={}, status="failed", n_bytes=0)) == [
        "run  recipe  data set  parts                     status      ACC    NMI     age    size",
        "a    quick   digits    fc · idec · affine+noise  finished  0.988  0.500  10 min  1.2 MB",
        "b    custom  digits    fc · idec · affine+noise  failed                  10 min     0 B",
    ]


def test_two_lines_where_the_terminal_is_narrow() -> None:
    """At 80 columns a run takes two lines, none of which is longer; parts are on the second."""
    shown = lines(run("quick-digits-seed0-1"), run("quick-digits-seed0-2"), width=80)
    assert [line.split()[0] for line in shown] == [
        "run",
        "quick-digits-seed0-1",
        "quick",
        "quick-digits-seed0-2",
        "quick",
    ]
    assert shown[2] == "  quick · digits · fc · idec · affine+noise"
    assert max(map(len, shown)) <= 80
    assert "recipe" not in shown[0]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_long_names(width: int) -> None:
    """A name that is too long takes lines of its own, and no figure is lost."""
    shown = lines(run("x" * 200), run("名" * 50), width=width)
    assert "x" * 200 in "".join(shown)
    assert "名" * 50 in "".join(shown)
    assert sum("0.988  0.500  10 min  1.2 MB" in line for line in shown) == 2
    assert all(cell_len(line) <= width for line in shown if "x" in line or "名" in line)


def test_wide_characters_are_aligned() -> None:
    """Columns stand below each other, however wide the characters of a name are."""
    titles, *rows = lines(run("名前-🙂"), run("plain"))
    ends = {cell_len(line[: line.index("finished")]) for line in rows}
    assert ends == {titles.index("status")}


def test_several_seeds() -> None:
    """The number of seeds is a column; with `every_seed`, each follows, indented, without repeating its parts."""
    both = seeds(run("seed-0"), run("seed-1"))
    assert lines(both)[1].split()[7:10] == ["affine+noise", "2", "finished"]
    part = seeds(run("seed-0"), run("seed-1", status="interrupted"), status="interrupted")
    assert "1 of 2  interrupted" in lines(part)[1]
    assert "seeds" not in lines(run("a"))[0]
    first, second = lines(both, every_seed=True)[2:]
    assert first.startswith("  seed-0  ")
    assert second.startswith("  seed-1  ")
    assert "digits" not in first + second


def test_reasons() -> None:
    """With `verbose` a reason is told below its run, without the name that decda has for it; else it is not."""
    failed = (
        run("a", status="diverged", reason="TrainingDiverged: A loss: not finite."),
        run("b", reason="KeyError: 'x'"),
    )
    shown = lines(*failed, verbose=True)
    assert shown[2] == "  A loss: not finite."
    assert shown[4] == "  KeyError: 'x'"
    assert "finite" not in "".join(lines(*failed))


def test_images_of_ones_own() -> None:
    """Images of one's own are named by where they were."""
    own = {**PARTS, "dataset": "decda:folder", "start": "mine:spectral"}
    shown = lines(run("a", parts=own, data_path="/pictures/photos/"))
    assert "photos    fc · idec · affine+noise · spectral" in shown[1]


def test_names_are_harmless() -> None:
    """Control characters and markup in names, recipes and reasons are shown as they are."""
    shown = lines(run("a\x1b[31m\n[b]c[d]", recipe="[/e]\x00", reason="x: [f]\r", status="damaged"), verbose=True)
    assert shown[1].startswith(r"a\x1b[31m\n[b]c[d]  [/e]\x00")
    assert shown[2] == r"  x: [f]\r"


def test_a_row_is_a_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """Where stdout is no terminal, each run is one line, however long, and so is a reason; notes are on stderr."""
    print_runs(Listing(Path("runs"), [run("x" * 300, reason="y " * 300)], ["other"] * 4), NOW, verbose=True)
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    assert "\x1b" not in out
    assert "1 run in runs, 1.2 MB." in err
    assert "4 other folders hold no run: other, other, other, ..." in err


def test_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    """The command that goes on with the newest interrupted run can be pasted into a shell."""
    print_runs(Listing(Path("runs"), [run("a"), run("b c", status="interrupted"), run("d", status="interrupted")]), NOW)
    assert "To go on with b c: decda train --resume 'runs/b c'\n" in capsys.readouterr().err
