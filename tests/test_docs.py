"""What the documentation says of rules, events, tests and pictures is so, and its parts fulfil the contracts.

`test_documented_commands.py` runs its snippets.
"""

import re
import sys
import typing
from pathlib import Path
from typing import Any

import pytest

from decda.core.events import Event
from decda.testing import check_augmentation, check_head, check_listener
from decda.testing.suite import RULES
from tests.conftest import SHORT, Here, install
from tests.snippets import PAGES

ROOT = Path(__file__).parents[1]
PLUGINS = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
LISTENERS = (ROOT / "docs" / "listeners.md").read_text(encoding="utf-8")


def block(text: str, word: str) -> str:
    """The only Python block that contains a word."""
    found: str
    (found,) = [code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if word in code]
    return found


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes code to a module that can be imported until the test ends."""
    (tmp_path / "site").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "site")

    def write(name: str, code: str) -> Path:
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / "site" / f"{name}.py").write_text(code)
        return tmp_path / "site"

    return write


def test_the_head_is_what_new_plugin_writes(here: Here) -> None:
    """`decda new-plugin fuzzy --kind head` writes exactly the head of the guide, in at most 40 lines."""
    head = block(PLUGINS, "class Fuzzy")
    code, _, err = here("new-plugin", "fuzzy", "--kind", "head")
    assert code == 0, err
    assert Path("fuzzy/fuzzy/head.py").read_text() == head
    assert len(head.splitlines()) <= 40
    assert 'fuzzy = "fuzzy.head:Fuzzy"' in Path("fuzzy/pyproject.toml").read_text()
    assert 'fuzzy = "fuzzy.head:Fuzzy"' in PLUGINS


def test_the_head_of_the_guide(here: Here, module: Any) -> None:
    """The head in the guide fulfils the contracts, raises the documented error, and trains."""
    site = module("decda_test_fuzzy", block(PLUGINS, "class Fuzzy"))
    from decda_test_fuzzy import Fuzzy  # type: ignore[import-not-found]

    check_head(Fuzzy)
    check_head(Fuzzy, m=3.0)
    with pytest.raises(ValueError, match="m must be above 1"):
        Fuzzy(3, 2, m=1)
    install(site, "fuzzy", "[decda.heads]\nfuzzy = decda_test_fuzzy:Fuzzy\n")
    words = [word for setting in (*SHORT, "head.m=2") for word in ("--set", setting)]
    code, out, err = here("train", *words, "--head", "fuzzy", "--out", "run")
    assert (code, out) == (0, "run\n"), err
    assert "fuzzy:fuzzy" in Path("run/config.toml").read_text()


def test_the_kornia_example(module: Any) -> None:
    """The kornia augmentation in the guide fulfils the contracts."""
    module("decda_test_sharpness", block(PLUGINS, "from_kornia("))
    from decda_test_sharpness import sharpness  # type: ignore[import-not-found]

    check_augmentation(sharpness)
    check_augmentation(sharpness, sharpness=0.7)


def test_the_listener_of_the_guide(here: Here) -> None:
    """The listener in the guide fulfils the contract, and follows runs by the command and the code that stand there."""
    code = block(LISTENERS, "def register")
    Path("my_note.py").write_text(code)
    words = [word for setting in SHORT for word in ("--set", setting)]
    command = "decda train --load my_note.py --listen note"
    assert f"`{command}`" in LISTENERS
    assert here(*command.split()[1:], *words, "--encoder", "fc", "--out", "run")[0] == 0
    assert Path("run/note.txt").read_text().startswith("<Run run: 1797 images in 10 clusters, ACC ")
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, "my_note.py", "exec"), names)
    check_listener(names["note"])
    exec(compile(block(LISTENERS, 'listen=["note"]'), "guide", "exec"), names)
    assert (names["run"].folder / "note.txt").is_file()


def test_every_event_that_listeners_hear_is_explained() -> None:
    """The table of events in the guide holds all of them, but those that come before there is a folder."""
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ", LISTENERS[LISTENERS.index("| event | when |") :], re.MULTILINE)
    documented = {name.strip("`") for row in rows for name in row.split(", ")}
    unheard = {"Downloading", "ImagesRead", "ImagesSkipped", "CheckpointRejected", "ListenerFailed"}
    assert documented == {kind.__name__ for kind in typing.get_args(Event)} - unheard


def test_every_rule_is_explained() -> None:
    """The table of rules in the guide lists exactly the existing rules."""
    table = PLUGINS[PLUGINS.index("| rule | of |") :]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", table, re.MULTILINE)[2:]
    documented = {(name, kind) for names, kinds in rows for name in names.split(", ") for kind in kinds.split(", ")}
    for kind, rules in RULES.items():
        for rule in rules:
            everywhere = (rule.name, "all") in documented or (
                (rule.name, "all but recipes") in documented and kind != "recipe"
            )
            assert everywhere or (rule.name, kind) in documented, (rule.name, kind)
    names = {rule.name for rules in RULES.values() for rule in rules}
    assert {name for name, _ in documented} == names


def test_the_part_of_the_readme(module: Any) -> None:
    """The augmentation in the README fulfils the contracts."""
    module("decda_test_mirror", block(README, "class RandomMirror"))
    from decda_test_mirror import RandomMirror  # type: ignore[import-not-found]

    check_augmentation(RandomMirror)


def test_reliability_names_tests_that_exist() -> None:
    """Each row of docs/reliability.md has a fault, what happens, and tests that exist; there are at least 60."""
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith(("| fault", "| ---"))]
    assert len(rows) >= 60
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for path, name in named:
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"


def test_links_of_the_readme() -> None:
    """The README's links within the repository lead to files; mkdocs looks after those of the pages."""
    links = re.findall(r"\]\(([^)#]+)", README)
    assert [link for link in links if not link.startswith("https://") and not (ROOT / link).is_file()] == []


def test_pictures() -> None:
    """Each picture is small, has a page, and loads nothing from elsewhere."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for picture in (ROOT / "docs" / "images").iterdir():
        assert f"images/{picture.name}" in text, picture.name
        assert picture.stat().st_size < 200_000, picture.name
        if picture.suffix == ".svg":
            loaded = re.findall(r"(?:url\(|href=)[\"']?([^\"')\s]+)", picture.read_text(encoding="utf-8"))
            assert [name for name in loaded if not name.startswith("#")] == [], picture.name
