"""`decda compare`: several runs side by side."""

import json
import shutil
from pathlib import Path

from tests.conftest import Here


def two_runs(finished_run: Path) -> None:
    for name in ("one", "two"):
        shutil.copytree(finished_run, name)
    text = Path("two/config.toml").read_text()
    Path("two/config.toml").write_text(text.replace("max_iter = 4", "max_iter = 40"))


def test_tables_on_the_terminal(finished_run: Path, here: Here) -> None:
    """Figures, agreement and the settings that differ go to stderr; stdout is empty where no page was asked for."""
    two_runs(finished_run)
    code, out, err = here("compare", "one", "two")
    assert (code, out) == (0, "")
    for words in ("2 runs compared", "agreement (ARI)", "1.000", "train.max_iter", "neighbours"):
        assert words in err


def test_json_markdown_and_page(finished_run: Path, here: Here) -> None:
    """`--json` holds all figures, `--markdown` the tables, and `--out` writes a page and prints its path."""
    two_runs(finished_run)
    code, out, _ = here("compare", "one", "two", "--json")
    found = json.loads(out)
    assert code == 0
    assert [group["name"] for group in found["groups"]] == ["one", "two"]
    assert found["agreement"] == [[None, 1.0], [1.0, None]]
    assert found["settings"] == {"train.max_iter": ["4", "40"]}
    assert (found["page"], found["same_images"]) == (None, True)
    code, out, _ = here("compare", "one", "two", "--markdown")
    assert out.startswith("| run | ACC |")
    assert "| train.max_iter | 4 | 40 |" in out
    code, out, _ = here("compare", "one", "two", "--out", "page.html")
    assert (code, out) == (0, "page.html\n")
    assert "<h1>one and two</h1>" in Path("page.html").read_text()


def test_mistakes(finished_run: Path, here: Here) -> None:
    """Two forms of output at once, no run, and a folder that is none are errors without a traceback."""
    two_runs(finished_run)
    assert here("compare", "one", "--json", "--markdown")[0] == 2
    assert here("compare")[0] == 2
    Path("empty").mkdir()
    code, out, err = here("compare", "one", "empty")
    assert (code, out) == (3, "")
    assert "is not the folder of a run" in err
    code, _, err = here("compare", "one", "two", "--out", "none/page.html")
    assert code == 1
    assert "Traceback" not in err


def test_hostile_names_are_inert(finished_run: Path, here: Here) -> None:
    """Names of folders with markup of rich, control characters or reversed text are printed as they are written."""
    name = "[bold]x[/bold] \x1b[31m\u202egnp"
    shutil.copytree(finished_run, name)
    for words in ((), ("--markdown",), ("--json",)):
        code, out, err = here("compare", name, *words)
        assert code == 0
        assert not {"\x1b", "\u202e"} & {*out, *err}
    assert "[bold]x[/bold]" in here("compare", name)[2].replace("\n", "")
