"""The command `decda new-plugin`."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from decda.core.parts.entries import GROUPS, KINDS
from decda.testing.suite import RULES
from tests.conftest import SHORT, Cli, Here, install

FEW = tuple(word for setting in SHORT if not setting.startswith("dataset.") for word in ("--set", setting))


def test_new_packages_work(decda: Cli, here: Here, tmp_path: Path) -> None:
    """New packages of all kinds fulfil the contracts and train once they are on the path."""
    folders = []
    for kind in KINDS:
        name = f"decda-My_{kind}"
        code, out, err = here("new-plugin", name, "--kind", kind)
        assert (code, out) == (0, f"{name}\n"), err
        assert f"python -m pip install -e {name}" in err
        assert f"decda train --{kind} my-{kind}" in err
        folder = tmp_path / name
        folders.append(str(folder))
        assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == {
            "pyproject.toml", "README.md", "tests/test_contracts.py",
            f"decda_my_{kind}/__init__.py", f"decda_my_{kind}/{kind}.py",
        }  # fmt: skip
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        assert project["name"] == f"decda-my-{kind}"
        ((part, target),) = project["entry-points"][GROUPS[kind]].items()
        install(tmp_path / "site", f"decda_my_{kind}", f"[{GROUPS[kind]}]\n{part} = {target}\n")

    path = os.pathsep.join([str(tmp_path / "site"), *folders])
    listed = json.loads(decda("list-components", "--json", PYTHONPATH=path).stdout)["components"]
    for kind in KINDS:
        (row,) = [row for row in listed if (row["kind"], row["name"]) == (kind, f"my-{kind}")]
        assert row["summary"]
    parts = [word for kind in KINDS[:-1] for word in (f"--{kind}", f"my-{kind}")]
    trained = decda("train", "--recipe", "my-recipe", *parts, *FEW, "--json", PYTHONPATH=path)
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["n_samples"] == 1000
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *folders],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tests.returncode == 0, tests.stdout
    assert f"{sum(len(RULES[kind]) for kind in KINDS)} passed" in tests.stdout


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        ("2d", "start with a letter"),
        ("my head", "letters, digits"),
        ("a/b", "letters, digits"),
        ("class", "has another meaning in Python"),
        ("random", "has another meaning in Python"),
        ("torch", "A module 'torch' exists already"),
        ("decda-3d", "it cannot be called '3d' in Python"),
        ("decda-tensor", "it cannot be called 'Tensor' in Python"),
        ("idec", "decda provides a head 'idec' already"),
        ("head", "the name of a kind of part"),
        ("kornia", "A module 'kornia' exists already"),
    ],
)
def test_unusable_names(here: Here, tmp_path: Path, name: str, piece: str) -> None:
    """A name that is invalid, taken, or would shadow another module is refused, and nothing is written."""
    code, out, err = here("new-plugin", name, "--kind", "head")
    assert (code, out) == (2, "")
    assert piece in err
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(here: Here, tmp_path: Path) -> None:
    """A non-empty folder is refused and left untouched; an empty one is used."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note").write_text("mine")
    code, _, err = here("new-plugin", "fresh", "--kind", "head", "--out", "full")
    assert code == 2
    assert "nothing was changed" in err
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["note"]
    (tmp_path / "empty").mkdir()
    assert here("new-plugin", "fresh", "--kind", "head", "--out", "empty")[:2] == (0, "empty\n")
    assert (tmp_path / "empty" / "fresh" / "head.py").is_file()


def test_a_kind_is_required(here: Here) -> None:
    """Without `--kind`, the error lists the kinds."""
    code, _, err = here("new-plugin", "fresh")
    assert code == 2
    assert all(kind in err for kind in KINDS)
