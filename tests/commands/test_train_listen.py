"""`decda train --listen` and `--no-report`: what follows a run on the command line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from decda.cli import cli
from decda.commands.train import resume_command
from decda.core.events import Event, RunEnded
from decda.plugins.listeners import report
from tests.conftest import SHORT, Here

FEW = tuple(word for setting in SHORT for word in ("--set", setting))
TRAIN = ("train", "--encoder", "fc", *FEW)
MINE = """
from decda.core.errors import ConfigError
from decda.core.events import RunEnded

def end(folder):
    '''Notes the end.'''
    def listen(event):
        if isinstance(event, RunEnded):
            (folder / "end.txt").write_text(f"{event.run.config.seed}")
    return listen

def failing(folder):
    raise OSError("no socket")

def lacking(folder):
    return failing(folder)

def check():
    raise ConfigError("The listener lacking needs telegraphs.", parameter="listen")

lacking.check = check

def demanding(folder, *, url: str):
    return failing(folder)

def register(registry):
    for function in (end, failing, lacking, demanding):
        registry.add("listener", function.__name__, function)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file of parts with listeners."""
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path / "mine.py"


def test_listeners_are_named_on_the_command_line(here: Here, mine: Path) -> None:
    """`--listen` may be repeated; one that fails is told in a line, and the result is the same."""
    words = ("--load", "mine.py", "--listen", "end", "--listen", "failing", "--listen", "tensorboard")
    code, out, err = here(*TRAIN, *words, "--out", "run")
    assert (code, out) == (0, "run\n"), err
    assert Path("run/end.txt").read_text() == "0"
    assert list(Path("run/tensorboard").glob("events.out.tfevents.*"))
    assert "The listener failing (local) failed and was left out: OSError: no socket." in err
    assert here(*TRAIN, "--out", "alone")[0] == 0
    assert Path("run/labels.csv").read_bytes() == Path("alone/labels.csv").read_bytes()
    assert Path("run/config.toml").read_bytes() == Path("alone/config.toml").read_bytes()


def test_each_seed_is_followed(here: Here, mine: Path) -> None:
    """With `--seeds` each run has its listeners in its process, from files, too; a failure is told for each seed."""
    words = ("--load", "mine.py", "--listen", "end", "--listen", "failing", "--seeds", "0,4", "--start", "kmeans")
    code, _, err = here(*TRAIN, *words, "--out", "all")
    assert code == 0, err
    assert [Path(f"all/seed-{seed}/end.txt").read_text() for seed in (0, 4)] == ["0", "4"]
    for seed in (0, 4):
        assert f"seed {seed}: The listener failing (local) failed and was left out: OSError: no socket." in err


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("tensorbord", 2, "Unknown listener 'tensorbord'. Did you mean 'tensorboard'?"),
        ("lacking", 2, "The listener lacking needs telegraphs. Option: --listen"),
        ("demanding", 5, "needs a value for 'url', but a listener is made by its name alone"),
    ],
)
@pytest.mark.parametrize("more", [(), ("--seeds", "0-1")])
def test_what_cannot_listen_is_refused_at_once(
    here: Here, mine: Path, name: str, code: int, said: str, more: tuple[str, ...]
) -> None:
    """The exit code tells a mistake from a broken part, and there is no folder."""
    done, out, err = here(*TRAIN, *more, "--load", "mine.py", "--listen", name, "--out", "run")
    assert (done, out) == (code, "")
    assert said in err
    assert not Path("run").exists()


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Reports are allowed, and replaced by notes of the folders that they were written to."""
    written: list[str] = []

    def note(folder: Path) -> Callable[[Event], None]:
        return lambda event: written.append(str(folder)) if isinstance(event, RunEnded) else None

    monkeypatch.delenv("DECDA_NO_REPORT")
    monkeypatch.setattr(report, "report", note)
    return written


def test_a_report_is_written_unless_it_is_forbidden(
    here: Here, reports: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default there is one; neither with `--no-report` nor with DECDA_NO_REPORT; `--listen report` wins."""
    assert here(*TRAIN, "--out", "a")[0] == 0
    assert here(*TRAIN, "--out", "b", "--no-report")[0] == 0
    monkeypatch.setenv("DECDA_NO_REPORT", "1")
    assert here(*TRAIN, "--out", "c")[0] == 0
    assert here(*TRAIN, "--out", "d", "--listen", "report")[0] == 0
    monkeypatch.setenv("DECDA_NO_REPORT", "0")
    assert here(*TRAIN, "--out", "e", "--listen", "report", "--listen", "decda:report")[0] == 0
    assert reports == ["a", "d", "e"]


def test_a_resumed_run_has_its_report(here: Here, reports: list[str], begun_run: Path, tmp_path: Path) -> None:
    """`--resume` writes one by default as well, at the end of the run; not again of a run that had finished."""
    shutil.copytree(begun_run, tmp_path / "begun")
    shutil.copytree(begun_run, tmp_path / "other")
    code, out, err = here("train", "--resume", "begun")
    assert (code, out) == (0, "begun\n"), err
    assert here("train", "--resume", "other", "--no-report")[0] == 0
    assert reports == ["begun"]
    assert here("train", "--resume", "begun")[0] == 0
    assert reports == ["begun"]


@pytest.mark.parametrize("name", ["report", "decda:report"])
def test_contradictory_words_are_refused(here: Here, name: str) -> None:
    """A report cannot be asked for and forbidden at once."""
    code, _, err = here(*TRAIN, "--listen", name, "--no-report", "--out", "run")
    assert code == 2
    assert "--listen report asks for what --no-report leaves out. Leave out one of the two options." in err
    assert not Path("run").exists()


def test_the_command_to_go_on_names_the_listeners() -> None:
    """What followed the run follows it again when it is resumed by the command that was told."""
    words = resume_command(Path("run"), load=[Path("mine.py")], listen=["end", "a:b c"], no_report=True)
    assert words == "decda train --resume run --load mine.py --listen end --listen 'a:b c' --no-report"


def test_names_of_listeners_are_completed() -> None:
    """A shell offers the registered listeners after `--listen`."""
    found = ShellComplete(cli, {}, "decda", "_DECDA_COMPLETE").get_completions(["train", "--listen"], "ten")
    assert [item.value for item in found] == ["tensorboard"]


def test_show_names_parameters_that_no_option_sets(here: Here) -> None:
    """The parameters of a listener are shown by their names alone, because `--set` does not reach them."""
    code, out, _ = here("show", "listener", "tensorboard")
    assert code == 0
    assert "--set" not in out
    assert "max_images" in out
    row: dict[str, Any] = json.loads(here("show", "listener", "tensorboard", "--json")[1])
    assert [each["name"] for each in row["parameters"]] == ["max_images"]
    assert row["summary"].endswith("needs the extra `tensorboard`.")
