"""`decda combine` from its users' perspective."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SHORT, Cli, Here
from tests.core.consensus.conftest import Make, make

__all__ = ["make"]

SCORES = ("acc", "nmi", "ari")
FEW = tuple(word for setting in SHORT for word in ("--set", setting))


@pytest.fixture
def seeds(make: Make, here: Here) -> str:
    """The folder of three seeds, which agree on most images."""
    Path("seeds").mkdir()
    for seed in range(3):
        random = np.random.default_rng(seed)
        noise = random.integers(0, 10, 1797) * (random.random(1797) < 0.2)
        make(f"seeds/seed-{seed}", lambda labels, noise=noise: (np.arange(len(labels)) + noise) % 10, seed=seed)
    shutil.copy("seeds/seed-0/config.toml", "seeds")
    Path("seeds/seeds.json").write_text('{"schema_version": 1, "recipe": "quick", "seeds": [0, 1, 2], "threads": 1}')
    return "seeds"


def test_seeds_are_combined(here: Here, seeds: str) -> None:
    """The folder of several seeds stands for each; the new folder is printed, and with `--json` the whole result."""
    code, out, err = here("combine", seeds, "--out", "both")
    assert (code, out) == (0, "both\n"), err
    assert "1797 images, 10 clusters, 3 runs" in err
    assert "labels in both/labels.csv" in err
    code, out, _ = here("combine", "seeds/seed-2", "seeds/seed-0", "seeds/seed-1", "--out", "again", "--json")
    result = json.loads(out)
    assert result == json.loads(Path("again/summary.json").read_text())
    assert [run["run"] for run in result["runs"]] == ["seeds/seed-2", "seeds/seed-0", "seeds/seed-1"]
    assert Path("again/labels.csv").read_bytes() == Path("both/labels.csv").read_bytes()


def test_a_seed_that_has_not_finished_is_left_out(here: Here, seeds: str) -> None:
    """A warning names it; if it is named itself, that is an error."""
    provenance = json.loads(Path("seeds/seed-1/provenance.json").read_text())
    Path("seeds/seed-1/provenance.json").write_text(json.dumps({**provenance, "status": "interrupted"}))
    code, out, err = here("combine", seeds, "--json", "--n-clusters", "8")
    assert code == 0, err
    assert json.loads(out)["warnings"] == ["seeds/seed-1 is left out: it has not finished."]
    assert len(json.loads(out)["runs"]) == 2
    assert (json.loads(out)["out"], json.loads(out)["n_clusters"]) == ("runs/consensus-digits-1", 8)
    (Path("seeds") / "seed-0" / "provenance.json").unlink()
    code, _, err = here("combine", seeds)
    assert code == 2
    told = "there is only seeds/seed-2. seeds/seed-0, seeds/seed-1 have not finished. Resume them"
    assert told in " ".join(err.split())
    code, _, err = here("combine", "seeds/seed-2", "seeds/seed-1")
    assert code == 3
    assert "has not finished: it has no labels yet" in " ".join(err.split())


def test_training_from_a_consensus(here: Here, seeds: str) -> None:
    """`--start labels` places the centers by the labels that were agreed on."""
    assert here("combine", seeds, "--out", "both")[0] == 0
    words = ("--start", "labels", "--set", "start.path=both", "--autoencoder", "seeds/seed-0")
    code, _, err = here("train", *FEW, "--encoder", "fc", *words, "--out", "run")
    assert code == 0, err
    agreed = json.loads(Path("both/summary.json").read_text())
    assert json.loads(Path("run/metrics.json").read_text())["start"] == {name: agreed[name] for name in SCORES}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 2, "RUN"),
        (("a",), 2, "at least two runs of the same images; there is only a"),
        (("a", "nowhere"), 3, "nowhere is not the folder of a run"),
        (("a", "b"), 3, "b/labels.csv cannot be read"),
        (("a", "b", "--out", "a"), 2, "a exists already. Name a folder that does not exist"),
        (("a", "b", "--n-clusters", "0"), 2, "--n-clusters"),
        (("a", "b", "--load", "nowhere.py"), 2, "nowhere.py"),
    ],
)
def test_mistakes(make: Make, here: Here, words: tuple[str, ...], code: int, says: str) -> None:
    """Each mistake ends in one message, an exit code by kind, and no folder."""
    for name in ("a", "b"):
        make(name)
    Path("b/labels.csv").unlink()
    ended, out, err = here("combine", *words)
    assert (ended, out) == (code, ""), err
    assert says in " ".join(err.split())
    assert sorted(path.name for path in Path().iterdir()) == ["a", "b"]


def test_it_is_a_command_of_the_program(decda: Cli, finished_run: Path, tmp_path: Path) -> None:
    """In a process of its own it prints the folder on stdout, the rest on stderr."""
    for name in ("a", "b"):
        shutil.copytree(finished_run, tmp_path / name)
    done = decda("combine", "a", "b", "--out", "both", "--offline")
    assert (done.returncode, done.stdout) == (0, "both\n"), done.stderr
    assert "all runs agree on 100.0% of the images" in done.stderr


def test_too_many_clusters_name_the_option(here: Here, finished_run: Path) -> None:
    """More clusters than a run has cannot be agreed on; the message ends with the option."""
    for name in ("a", "b"):
        shutil.copytree(finished_run, name)
    code, _, err = here("combine", "a", "b", "--n-clusters", "11")
    assert code == 2
    assert " ".join(err.split()).endswith("Option: --n-clusters")
    assert not Path("runs").exists()
