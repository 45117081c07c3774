"""The folder that a command is to write: what cannot be is refused before anything is loaded, and changes nothing."""

import json
from pathlib import Path

import pytest

from tests.conftest import SHORT, Here
from tests.unprivileged import run_unprivileged

FEW = tuple(word for setting in SHORT for word in ("--set", setting))
# Data that is missing has exit code 3, so that 2 shows that nothing had been loaded.
MISSING = ("--data-root", "nowhere", "--offline")
COMMANDS = (
    ("train", "--dataset", "usps", *MISSING),
    ("train", "--dataset", "usps", *MISSING, "--seeds", "0-1"),
    ("reproduce", "--datasets", "usps", *MISSING),
    ("reproduce", "--datasets", "usps", *MISSING, "--resume"),
)
IMPOSSIBLE = ("a\nb", "a\tb", "a\x1bb", "a\udcff", "a" * 300, "a/" * 2500 + "a", "file", "file/x", "link", "missing/..")


@pytest.mark.parametrize("out", IMPOSSIBLE)
@pytest.mark.parametrize("words", COMMANDS, ids=["train", "seeds", "reproduce", "resume"])
def test_impossible_folders(here: Here, tmp_path: Path, words: tuple[str, ...], out: str) -> None:
    """Names and places that cannot be are refused with one line and exit code 2, and nothing is changed."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    code, printed, err = here(*words, "--out", out)
    assert (code, printed) == (2, ""), err
    assert len(err.splitlines()) == 1
    assert err.rstrip("\n").isprintable()
    assert err.endswith("nothing was changed. Option: --out\n")
    assert {path.name for path in tmp_path.rglob("*")} == {"file", "link"}
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("words", COMMANDS[:3], ids=["train", "seeds", "reproduce"])
@pytest.mark.parametrize("out", [("--out", "place/run"), ()], ids=["out", "default"])
def test_a_folder_without_permission(tmp_path: Path, words: tuple[str, ...], out: tuple[str, ...]) -> None:
    """A read-only folder, given or the default, is refused before anything is loaded, and nothing is made in it."""
    place = tmp_path / ("place" if out else "runs")
    place.mkdir(mode=0o555)
    done = run_unprivileged(["-m", "decda", *words, *out], tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.endswith(
        f": {place.name} is not writable. Name another folder; nothing was changed. Option: --out\n"
    )
    assert not list(place.iterdir())


@pytest.mark.parametrize("words", COMMANDS[:2], ids=["train", "seeds"])
def test_a_file_at_the_default_place(here: Here, tmp_path: Path, words: tuple[str, ...]) -> None:
    """A file called `runs` is refused before anything is loaded, and stays."""
    (tmp_path / "runs").write_text("mine")
    code, _, err = here(*words)
    assert code == 2
    assert err.startswith("Error: runs cannot be used: runs is not a folder.")
    assert (tmp_path / "runs").read_text() == "mine"


@pytest.mark.parametrize("out", ["../up/run", "-x", "a b", "été 🙂", "deep/er/run"])
def test_odd_folders(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    """Names that look odd but do no harm are taken as they are, and printed in one line."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    code, printed, err = here("train", "--encoder", "fc", *FEW, "--json", f"--out={out}")
    assert code == 0, err
    assert json.loads(printed)["run"] == out
    assert (Path(out) / "model.safetensors").is_file()
