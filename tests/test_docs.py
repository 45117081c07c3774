"""The examples in the documentation work verbatim."""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import decda
from decda.testing import check_augmentation, check_head
from decda.testing.suite import RULES
from tests.conftest import SHORT, Here, install

ROOT = Path(__file__).parents[1]
PLUGINS = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(text: str, word: str) -> str:
    """The only Python block that contains a word."""
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
    assert here("new-plugin", "fuzzy", "--kind", "head")[0] == 0
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


def test_the_notebook_of_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """The notebook in the guide trains with its own class through the Python API."""
    monkeypatch.chdir(tmp_path)
    exec(compile(block(PLUGINS, 'head={"name": Mine'), "notebook", "exec"), {"__name__": "__main__"})
    assert "'acc'" in capsys.readouterr().out
    assert (tmp_path / "my-run" / "labels.csv").is_file()


def test_the_file_of_the_guide(here: Here) -> None:
    """The file in the guide can be checked and trained with `--load`, by the commands in the guide."""
    Path("my_head.py").write_text(block(PLUGINS, "def register"))
    assert "decda check --load my_head.py head:mine" in PLUGINS
    code, out, err = here("check", "--load", "my_head.py", "head:mine")
    assert code == 0, out + err
    words = [word for setting in SHORT for word in ("--set", setting)]
    assert "decda train --load my_head.py --head mine" in PLUGINS
    assert here("train", "--load", "my_head.py", "--head", "mine", *words)[0] == 0


def test_the_kornia_example(module: Any) -> None:
    """The kornia augmentation in the guide fulfils the contracts."""
    module("decda_test_sharpness", block(PLUGINS, "from_kornia("))
    from decda_test_sharpness import sharpness  # type: ignore[import-not-found]

    check_augmentation(sharpness)
    check_augmentation(sharpness, sharpness=0.7)


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


def test_the_python_of_the_readme(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code in the README runs verbatim, on digits instead of USPS, on colour images, and with short training."""
    images = np.random.default_rng(0).random((24, 40, 33, 3))
    words = [word for setting in SHORT for word in ("--set", setting)]
    assert here("train", *words, "--encoder", "fc")[0] == 0
    assert Path("runs/quick-digits-seed0-1").is_dir()
    train, runs = decda.train, []
    limit = {"pretrain_epochs": 1, "max_iter": 2, "update_interval": 1}

    def short(data: Any, **words: Any) -> Any:
        words |= {"train": {**words.get("train", {}), **limit}, "progress": False}
        runs.append(train("digits" if isinstance(data, str) else data, **words))
        return runs[-1]

    monkeypatch.setattr(decda, "train", short, raising=False)
    monkeypatch.setattr("decda.estimator.train_run", short)
    names = {"images": images, "new_images": images[:5]}
    for word in ("DeepClustering", "decda.components"):
        exec(compile(block(README, word), "README", "exec"), names)
    array, estimator, digits = runs
    assert np.array_equal(names["labels"], estimator.labels)
    assert (digits.config.recipe, digits.config.head.parameters, digits.config.seed) == (
        "convidec-da",
        {"gamma": 0.2},
        1,
    )
    assert array.input_shape == (3, 40, 33)


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
