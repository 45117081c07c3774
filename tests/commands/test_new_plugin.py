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
from tests.unprivileged import run_unprivileged

FEW = tuple(word for setting in SHORT if not setting.startswith("dataset.") for word in ("--set", setting))


def test_new_packages_work(decda: Cli, here: Here, tmp_path: Path) -> None:
    """New packages of all kinds fulfil the contracts and train once they are on the path."""
    folders = []
    for kind in KINDS:
        name = f"decda-My_{kind}"
        code, out, err = here("new-plugin", name, "--kind", kind)
        assert (code, out) == (0, f"{name}\n"), err
        assert f"python -m pip install -e {name}" in err
        option = "--listen" if kind == "listener" else f"--{kind}"
        assert f"decda train {option} my-{kind}" in err
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
    parts = [word for kind in KINDS[:-2] for word in (f"--{kind}", f"my-{kind}")]
    named = ("--recipe", "my-recipe", *parts, "--listen", "my-listener", "--out", "run")
    trained = decda("train", *named, *FEW, "--json", PYTHONPATH=path)
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["n_samples"] == 1000
    heard = [json.loads(line) for line in (tmp_path / "run" / "my-listener.jsonl").read_text().splitlines()]
    assert [line.get("iteration") for line in heard] == [0, 2, None]
    assert sum(heard[-1]["sizes"]) == 1000
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
        ("a" * 300, "A name of 300 characters is too long"),
        ("a\nb", r"'a\nb' cannot be the name"),
        ("a\udcff", r"'a\udcff' cannot be the name"),
        ("my-🙂", "'my-🙂' cannot be the name"),
        ("..", "'..' cannot be the name"),
        ("", "'' cannot be the name"),
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


@pytest.mark.parametrize("out", ["../up/new", "./-x", "-x", "a b", "été 🙂", "deep/er/new"])
def test_odd_folders(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    """Names that look odd but do no harm are used as they are, and quoted where they are to be typed."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    code, printed, err = here("new-plugin", "fresh", "--kind", "head", f"--out={out}")
    assert (code, printed) == (0, f"{Path(out)}\n")
    assert (Path(out) / "fresh" / "head.py").is_file()
    argument = {"a b": "'a b'", "été 🙂": "'été 🙂'", "-x": "./-x", "./-x": "./-x"}.get(out, out)
    assert f"pip install -e {argument}\n" in err


@pytest.mark.parametrize(
    "out", ["a\nb", "a\x1bb", "a\udcff", "a" * 300, "a/" * 2500, "file", "file/x", "link", "missing/.."]
)
def test_impossible_folders(here: Here, tmp_path: Path, out: str) -> None:
    """What cannot be made is refused in one line, and nothing is changed."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    code, printed, err = here("new-plugin", "fresh", "--kind", "head", "--out", out)
    assert (code, printed) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.endswith("Name another folder; nothing was changed. Option: --out\n")
    assert {path.name for path in tmp_path.rglob("*")} == {"file", "link"}
    assert (tmp_path / "file").read_text() == "mine"


WRITE = ("-m", "decda", "new-plugin", "fresh", "--kind", "head", "--out")


@pytest.mark.parametrize("out", ["place", "place/new", "place/er/new"])
def test_a_folder_without_permission(tmp_path: Path, out: str) -> None:
    """A folder that is read-only is named, and nothing is written."""
    (tmp_path / "place").mkdir(mode=0o555)
    done = run_unprivileged([*WRITE, out], tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"Error: {out} cannot be used: place is not writable. Name another folder; nothing was changed. Option: --out\n"
    )
    assert not list((tmp_path / "place").iterdir())


@pytest.mark.parametrize("out", ["empty", "new", "deep/er/new"])
def test_a_disk_that_fills(tmp_path: Path, out: str) -> None:
    """If a file cannot be written, it is named with the reason, and nothing of the package is left."""
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 1; exec "$0" "$@"', sys.executable, *WRITE, out],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {out}/fresh/head.py cannot be written: File too large.")
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_a_kind_is_required(here: Here) -> None:
    """Without `--kind`, the error lists the kinds."""
    code, _, err = here("new-plugin", "fresh")
    assert code == 2
    assert all(kind in err for kind in KINDS)
