"""The command `decda check`."""

import json
import sys
from pathlib import Path

import pytest

from tests.conftest import Here, install

PARTS = '''
import torch
from decda.core.contracts import ImageSet


def good(*, n: "Annotated[int, 'images']" = 6) -> ImageSet:
    """Noise."""
    return ImageSet(torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(n) % 2)


def needs(*, n: "Annotated[int, 'images']") -> ImageSet:
    """Noise."""
    return good(n=n)


def bad() -> ImageSet:
    """Noise."""
    print("noise")
    return ImageSet(torch.rand(6, 1, 4, 4))


from typing import Annotated
'''


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install three packages: a sound one, an unsound one, and one with a misspelt group."""
    points = {
        "sound": "[decda.datasets]\ngood = strange_parts:good\nneeds = strange_parts:needs\n",
        "unsound": "[decda.datasets]\nbad = strange_parts:bad\ngone = strange_parts:gone\n",
        "odd": "[decda.dataset]\ngood = strange_parts:good\n",
    }
    for package, text in points.items():
        install(tmp_path / "site", package, text)
    (tmp_path / "site" / "strange_parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "strange_parts", raising=False)


def test_a_sound_part_passes_rule_by_rule(here: Here) -> None:
    """Every rule has a row, and the exit code is 0; a parameter without a default must be set with --set."""
    code, out, err = here("check", "dataset:good")
    assert code == 0, err
    lines = [line for line in out.splitlines() if " passed " in line]
    assert [line.split("  ")[1] for line in lines] == [
        "signature", "images", "labels", "settings", "determinism", "global generators", "copies", "stdout",
    ]  # fmt: skip
    assert "8 passed" in out
    assert here("check", "dataset:sound:needs", "--set", "n=4")[0] == 0
    code, out, _ = here("check", "dataset:needs")
    assert code == 0
    assert "1 skipped" in out
    assert "it needs a value for 'n'" in " ".join(out.split())


def test_a_package_with_broken_parts_fails(here: Here) -> None:
    """The exit code is 5, failures are explained, a part that cannot be loaded fails, too, and stdout stays clean."""
    code, out, err = here("check", "unsound", "--json")
    assert code == 5, err
    result = json.loads(out)
    assert (result["schema_version"], result["passed"]) == (1, False)
    bad, gone = result["parts"]
    assert (bad["kind"], bad["name"], bad["package"], bad["version"]) == ("dataset", "bad", "unsound", "1.0")
    seen = {rule["rule"]: (rule["status"], rule["seen"]) for rule in bad["rules"]}
    assert seen["signature"] == ("passed", "")
    assert seen["labels"] == ("skipped", "it has no labels")
    assert seen["determinism"][0] == "failed"
    assert "'noise\\n'" in seen["stdout"][1]
    (loads,) = gone["rules"]
    assert loads["status"] == "failed"
    assert "gone" in loads["seen"]
    code, out, _ = here("check", "unsound")
    assert code == 5
    assert "a second call returns different images" in out


def test_defective_metadata_is_a_failure(here: Here) -> None:
    """A package with a misspelt group has no part to check, and fails."""
    code, out, _ = here("check", "odd")
    assert code == 5
    assert "Did you mean 'decda.datasets'?" in out


def test_a_listener_must_have_defaults(here: Here, tmp_path: Path) -> None:
    """A listener is made by its name alone, so that a parameter without a default breaks a rule."""
    (tmp_path / "mine.py").write_text(
        "def mine(folder, *, url: str):\n    return print\n\n"
        "def register(registry):\n    registry.add('listener', 'mine', mine)\n"
    )
    code, out, _ = here("check", "--load", "mine.py", "listener:mine", "--json")
    assert code == 5
    rules = {rule["rule"]: rule for rule in json.loads(out)["parts"][0]["rules"]}
    assert rules["signature"]["status"] == "failed"
    assert "its parameter 'url' has no default" in rules["signature"]["seen"]


def test_a_part_in_a_file_is_checked(here: Here, tmp_path: Path) -> None:
    """`--load` adds the part in a file."""
    (tmp_path / "mine.py").write_text(PARTS + "def register(registry): registry.add('dataset', 'mine', good)\n")
    code, out, err = here("check", "--load", "mine.py", "dataset:mine")
    assert code == 0, out + err


@pytest.mark.parametrize(
    ("words", "code", "pieces"),
    [
        (("check", "nowhere"), 2, ["No installed package 'nowhere'", "decda"]),
        (("check", "head"), 2, ["head:mine"]),
        (("check", "heads:idec"), 2, ["not a kind of part", "encoder, head"]),
        (("check", "head:idecc"), 2, ["Did you mean 'idec'"]),
        (("check", "decda", "--set", "gamma=1"), 2, ["--set applies to a single part"]),
        (("check", "head:idec", "--set", "gama=1"), 2, ["no parameter 'gama'"]),
        (("check", "head:idec", "--set", "gamma"), 2, ["PARAMETER=VALUE"]),
        (("check", "head:idec", "--load", "nowhere.py"), 2, ["nowhere.py", "cannot be read"]),
    ],
)
def test_mistakes_end_in_a_message(here: Here, words: tuple[str, ...], code: int, pieces: list[str]) -> None:
    """A mistake prints one clear message to stderr and nothing to stdout, and exits with code 2."""
    seen, out, err = here(*words)
    assert (seen, out) == (code, "")
    assert all(piece in err for piece in pieces)
