"""A broken third-party package never breaks the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHORT, Cli, install

FEW = tuple(word for setting in SHORT for word in ("--set", setting))
SOUND = """
from decda.plugins.heads.dec import DEC

class Head(DEC):
    '''A head.'''
"""
BROKEN = {
    "imports": ("raise ImportError('no such luck')" + SOUND, "ImportError: no such luck"),
    "syntax": ("class Head(:\n    pass", "line 1"),
    "leaves": (
        "raise SystemExit('goodbye')" + SOUND,
        "it exits the program when it is imported (SystemExit: goodbye)",
    ),
    "needs": (
        "import nowhere_to_be_found" + SOUND,
        "it needs the module 'nowhere_to_be_found', which is not installed",
    ),
    "number": ("Head = 5", "it must be a class or a function, but is of type 'int'"),
    "foreign": ("class Head:\n    pass", "it must be derived from decda.core.contracts.ClusteringHead"),
    "half": (
        "from decda.core.contracts import ClusteringHead\nclass Head(ClusteringHead):\n    def refresh(self, z): ...",
        "it lacks the method init_centers, loss, soft_assign",
    ),
    "stars": (SOUND + "    def __init__(self, *args): ...", "its signature has '*args'"),
    "untyped": (SOUND + "    def __init__(self, n_clusters, embedding_dim, *, m=1): ...", "'m' has no type"),
    "newer": (
        SOUND + "decda_api = 4",
        "it was written for version 4 of decda's contract, but this decda has version 3; upgrade decda",
    ),
    "older": (
        SOUND + "    def loss(self, z, target, *, x, decode): ...",
        "its loss(self, z, target, x, decode) follows version 1 of the contract",
    ),
    "odd-version": (SOUND + "decda_api = 'one'", "its decda_api is 'one'"),
    "nothing": ("", "module 'nothing_code' has no "),
    "dec": (SOUND, "Pick one: dec:dec or decda:dec"),
}
"""The code of the module and the reason that the listing must state, by name of the package and its head."""
AT_ONCE = {"syntax", "nothing", "dec", "twin", "unclear"}
"""The packages whose defects are visible without running code."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with all these packages, two that share a name, one with defective metadata, and one that prints."""
    folder = tmp_path_factory.mktemp("site")
    for name, (code, _) in BROKEN.items():
        install(folder, name, f"[decda.heads]\n{name} = {name.replace('-', '_')}_code:Head\n")
        (folder / f"{name.replace('-', '_')}_code.py").write_text(code)
    for package in ("first", "second"):
        install(folder, package, "[decda.heads]\ntwin = sound:Head\n")
    install(folder, "unclear", "[decda.heads]\nunclear = sound:Head()\n[decda.haeds]\nlost = sound:Head\n")
    install(folder, "prints", "[decda.heads]\nprints = prints_code:Head\n")
    (folder / "sound.py").write_text(SOUND)
    shout = "import os\nprint('from Python')\nos.write(1, b'past Python')\nos.system('echo from a process')\n"
    (folder / "prints_code.py").write_text(shout + SOUND)
    return str(folder)


REASONS = {name: reason for name, (_, reason) in BROKEN.items()} | {
    "twin": "Both first 1.0 and second 1.0 provide the head 'twin'. Pick one: first:twin or second:twin",
    "unclear": "is not a path to an object",
}


@pytest.mark.parametrize("verbose", [False, True])
def test_the_listing_shows_each_with_its_reason(decda: Cli, site: str, verbose: bool) -> None:
    """With all packages installed, the listing succeeds and shows visible defects, or all of them with --verbose."""
    words = ("list-components", "head", *(["--verbose"] if verbose else []))
    done = decda(*words, "--json", PYTHONPATH=site)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    listed = json.loads(done.stdout)
    assert "Did you mean 'decda.heads'?" in listed["problems"][0]["reason"]
    rows = {(row["package"], row["name"]): row for row in listed["components"]}
    for name, reason in REASONS.items():
        row = rows["first" if name == "twin" else name, name]
        shows = verbose or name in AT_ONCE
        assert row["status"] in (("broken", "ambiguous") if shows else ("ok",)), name
        if shows:
            assert reason in row["error"]
    assert {row["status"] for (package, name), row in rows.items() if package == "decda" and name != "dec"} == {"ok"}
    assert rows["prints", "prints"]["status"] == "ok"
    table = decda(*words, PYTHONPATH=site)
    assert table.returncode == 0
    assert all(name in table.stdout for name in REASONS)


def test_help_and_built_in_parts_still_work(decda: Cli, site: str, tmp_path: Path) -> None:
    """`--help` works, and a run with built-in parts is the same as without these packages, byte for byte."""
    assert decda("--help", PYTHONPATH=site).returncode == 0
    for out, environment in (("beside", {"PYTHONPATH": site}), ("alone", {})):
        done = decda("train", *FEW, "--recipe", "fcidec-da", "--out", out, **environment)
        assert done.returncode == 0, done.stderr
    for name in ("config.toml", "labels.csv", "model.safetensors"):
        assert (tmp_path / "beside" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


@pytest.mark.parametrize("name", REASONS)
def test_using_a_broken_part_is_an_error(here: Any, site: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with a broken part prints one message with the part, its package and the reason, and leaves no folder."""
    monkeypatch.syspath_prepend(site)
    code, out, err = here("train", *FEW, "--head", name)
    assert code == (2 if name in ("twin", "dec") else 5)
    assert out == ""
    assert name in err
    assert REASONS[name] in err
    assert not Path("runs").exists()


STEPS = """
import torch
from decda.plugins.heads.dec import DEC

class Raises(DEC):
    def loss(self, batch):
        raise RuntimeError("out of luck")

class Nan(DEC):
    def loss(self, batch):
        return {"kl": batch.z.sum() * float("nan")}

class Shape(DEC):
    def refresh(self, z):
        return torch.ones(len(z))

class Late(DEC):
    def loss(self, batch):
        if len(batch.z) == 512:
            raise RuntimeError("too many for me")
        return super().loss(batch)
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("raises", "loss failed on a first batch: RuntimeError: out of luck"),
        ("nan", "the term 'kl' of loss contains numbers that are not finite"),
        ("shape", "refresh must return float32 of shape ("),
        ("late", "failed during training: RuntimeError: too many for me"),
    ],
)
def test_a_failing_step_names_the_part(here: Any, tmp_path: Path, name: str, words: str) -> None:
    """The error after an exception, a NaN or a wrong shape names the part, its package and the broken rule."""
    site = tmp_path / "site"
    install(site, "steps", f"[decda.heads]\n{name} = decda_test_steps:{name.capitalize()}\n")
    (site / "decda_test_steps.py").write_text(STEPS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        code, out, err = here("train", *FEW, "--head", name)
    assert (code, out) == (5, "")
    assert f"'{name}'" in err
    assert "steps 1.0" in err
    assert words in err


def test_output_at_import_stays_off_stdout(decda: Cli, site: str) -> None:
    """Output of a plugin at import, even to file descriptor 1 or by a subprocess, goes to stderr, not into `--json`."""
    for words in (("list-components", "--verbose", "--json"), ("train", *FEW, "--head", "prints", "--json")):
        done = decda(*words, PYTHONPATH=site)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["schema_version"] == 1
        assert all(said in done.stderr for said in ("from Python", "past Python", "from a process"))


def test_plugins_can_be_switched_off(decda: Cli, site: str, tmp_path: Path) -> None:
    """`--no-plugins`, before or after the command, and DECDA_DISABLE_PLUGINS omit packages and report which."""
    for words in (("--no-plugins", "list-components", "head"), ("list-components", "head", "--no-plugins")):
        done = decda(*words, PYTHONPATH=site)
        assert [line.split()[1] for line in done.stdout.splitlines()[1:]] == ["dcn", "dec", "idec"]
        assert done.stderr.startswith("Switched off: ")
        assert "first 1.0, foreign 1.0" in done.stderr
    some = decda("list-components", "head", "--json", PYTHONPATH=site, DECDA_DISABLE_PLUGINS="dec,second")
    listed = json.loads(some.stdout)
    assert listed["switched_off"] == ["dec 1.0", "second 1.0"]
    assert {row["status"] for row in listed["components"] if row["name"] in ("dec", "twin")} == {"ok"}
    # The worker processes of seeds omit them, too.
    words = ("train", *FEW, "--encoder", "fc", "--head", "dec", "--no-plugins", "--seeds", "0-1", "--json")
    done = decda(*words, PYTHONPATH=site)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["runs"]) == 2


MINE = """
from decda.plugins.heads.idec import IDEC

class Mine(IDEC):
    '''Mine.'''

def register(registry):
    registry.add("head", "mine", Mine)
"""


def test_a_head_without_a_package(here: Any, tmp_path: Path) -> None:
    """`--load` trains with a part from a file; config.toml has no path, so the file must be loaded again explicitly."""
    (tmp_path / "my_head.py").write_text(MINE)
    words = ("train", *FEW, "--encoder", "fc", "--head", "mine", "--out", "run")
    code, _, err = here(*words, "--load", "my_head.py", "--set", "head.gamma=0.2")
    assert code == 0, err
    config = (tmp_path / "run" / "config.toml").read_text()
    assert 'name = "local:mine"' in config
    assert "my_head" not in config
    provenance = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert list(provenance["loaded"]) == [str(tmp_path / "my_head.py")]
    for again in (("train", "--config", "run/config.toml"), ("evaluate", "run")):
        code, _, err = here(*again)
        assert code == 2
        assert f"from the file {tmp_path / 'my_head.py'}: load that file again. Option: --load" in err
    assert here("evaluate", "run", "--load", "my_head.py")[0] == 0
    assert "Mine." in here("list-components", "head", "--load", "my_head.py")[1]
    code, out, err = here(*words[:-2], "--load", "my_head.py", "--seeds", "0-1", "--json")
    assert code == 0, err
    assert len(json.loads(out)["runs"]) == 2
