"""The command line from its users' perspective."""

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import decda as package
from decda.cli import COMMANDS
from decda.core.execution.messages import Finished
from decda.core.parts.entries import KINDS
from decda.core.studies.seeds_result import SeedsResult
from tests.conftest import SHORT, Cli, Here
from tests.core.execution.test_processes import EQUAL, install_moods

FEW = tuple(word for setting in SHORT for word in ("--set", setting))


def test_train_prints_one_object(decda: Cli) -> None:
    """`--json` prints one object with all documented fields to stdout, and everything else to stderr."""
    done = decda("train", *FEW, "--json", "--seed", "2")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["schema_version"] == 1
    assert (result["recipe"], result["dataset"], result["n_samples"], result["n_clusters"]) == (
        "quick",
        "digits",
        1797,
        10,
    )
    assert result["seed"] == 2
    for scores in (result, result["baseline"]):
        assert all(0 <= scores[name] <= 1 for name in ("acc", "nmi", "ari"))
    assert {"pretrain", "init_centers", "cluster", "total"} <= set(result["seconds"])
    assert "pretrain completed after 1 epochs" in done.stderr


def test_train_prints_the_run(decda: Cli, tmp_path: Path) -> None:
    """Without `--json`, only the folder of the run is printed to stdout; a second run has the next number."""
    first = decda("train", *FEW, "--encoder", "fc", "--head", "dcn", "--augment", "none", "--threads", "2")
    second = decda("train", *FEW, "--encoder", "fc")
    assert [first.stdout, second.stdout] == ["runs/quick-digits-seed0-1\n", "runs/quick-digits-seed0-2\n"]
    assert "[" not in first.stderr.replace("[0m", "")
    for run, threads in ((first, 2), (second, 1)):
        assert json.loads((tmp_path / run.stdout.strip() / "provenance.json").read_text())["threads"] == threads


def test_equal_seeds_have_equal_results_in_two_processes(decda: Cli, tmp_path: Path) -> None:
    """Two single-threaded processes with the same seed write the same bytes."""
    for out in ("one", "two"):
        assert decda("train", *FEW, "--seed", "5", "--out", out).returncode == 0
    for name in ("labels.csv", "model.safetensors", "log.csv", "metrics.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("words", "code", "pieces"),
    [
        (("train", "--no-plugins", "--head", "idecc"), 2, ["Did you mean 'idec'", "Registered heads: dcn, dec, idec."]),
        (("train", "--set", "head.gama=1"), 2, ["no parameter 'gama'", "--set head.gama=1", "gamma: float = 0.1"]),
        (("train", "--set", "head.gamma=a[red]b"), 2, ["'a[red]b'"]),
        (("train", "--n-clusters", "1798"), 3, ["at most the number of images, 1797; it is 1798"]),
        (("train", "--n-clusters", "few"), 2, ["'few' is neither a whole number nor auto"]),
        (("train", "--config", "missing.toml"), 2, ["missing.toml cannot be read"]),
        (("train", "--out", "."), 2, ["exists already"]),
        (("train", "--epochs", "3"), 2, ["--epochs"]),
        (("train", "--seeds", "4-0"), 2, ["--seeds", "4-0 runs backwards", "Write 0-4"]),
        (("train", "--seeds", ""), 2, ["a seed is missing"]),
        (("train", "--seeds", "0-4", "--seed", "1"), 2, ["--seed sets one seed", "Leave out one of the two"]),
        (("train", "--jobs", "2"), 2, ["--jobs", "--seeds 0-4"]),
        (("train", "--seeds", "0-1", "--n-clusters", "1798"), 3, ["at most the number of images, 1797; it is 1798"]),
        (("trian",), 2, ["trian"]),
        (("show", "head", "idecc"), 2, ["Unknown head 'idecc'"]),
        (("show", "head"), 2, ["Name the head"]),
        (("train", "--threads", "5000"), 2, ["--threads"]),
        (("train", "--dataset", "usps", "--data-root", "~nobody-here/x"), 3, ["~nobody-here/x"]),
        (
            ("train", "--dataset", "usps", "--data-root", "nowhere", "--offline"),
            3,
            ["zip.train.gz", "nowhere", "--data-root", "offline"],
        ),
    ],
)
def test_mistakes_end_in_a_message_and_a_code(
    here: Here, tmp_path: Path, words: Any, code: int, pieces: list[str]
) -> None:
    """A mistake prints one clear message to stderr, nothing to stdout and no traceback, and leaves no files."""
    found, out, err = here(*words)
    assert (found, out) == (code, ""), err
    assert "Traceback" not in err
    for piece in pieces:
        assert piece in err
    assert not list(tmp_path.iterdir())


def test_several_seeds(decda: Cli, tmp_path: Path) -> None:
    """Runs of `--seeds` equal single runs byte for byte, and one object is printed with all runs and their mean."""
    done = decda("train", *FEW, "--encoder", "fc", "--seeds", "2,0", "--json", "--out", "all")
    assert done.returncode == 0, done.stderr
    alone = decda("train", *FEW, "--encoder", "fc", "--seed", "2", "--threads", "1", "--json", "--out", "alone")
    for name in EQUAL:
        assert (tmp_path / "all" / "seed-2" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes(), name
    threads = [
        json.loads((tmp_path / run / "provenance.json").read_text())["threads"] for run in ("all/seed-2", "alone")
    ]
    assert threads == [1, 1]
    summary, single = json.loads(done.stdout), json.loads(alone.stdout)
    assert list(summary) == ["schema_version", "runs", "mean", "std", "best"]
    assert summary == json.loads((tmp_path / "all" / "summary.json").read_text())
    assert [run["run"] for run in summary["runs"]] == ["all/seed-0", "all/seed-2"]
    assert {**summary["runs"][1], "run": "alone", "seconds": single["seconds"]} == single
    assert summary["mean"]["nmi"] == sum(run["nmi"] for run in summary["runs"]) / 2
    assert "seed 2: cluster completed after 4 iterations" in done.stderr
    assert re.search(r"mean +\d.\d{4}", done.stderr)
    assert "\x1b" not in done.stderr


def test_the_run_to_use_is_printed(here: Here) -> None:
    """`--keep best` prints the folder of the seed that is best without labels; it needs several seeds."""
    words = ("train", *FEW, "--encoder", "fc", "--start", "kmeans", "--keep", "best")
    code, out, _ = here(*words, "--seeds", "0-2", "--out", "all")
    runs = json.loads(Path("all/summary.json").read_text())["runs"]
    assert code == 0
    assert out == max(runs, key=lambda run: run["judgement"]["neighbours"])["run"] + "\n"
    code, _, err = here(*words)
    assert (code, "It needs --seeds" in err) == (2, True)


def test_no_run_to_use_of_different_numbers_of_clusters(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of seeds that counted different numbers none is chosen: `--keep best` says so, and prints the folder of all."""
    results = [{"run": f"all/seed-{k}", "n_clusters": k, "judgement": {"neighbours": k / 10}} for k in (8, 9)]
    module = importlib.import_module("decda.commands.train")
    done = SeedsResult(Path("all"), [Finished(result["n_clusters"], result, []) for result in results], [])
    monkeypatch.setattr(module, "_train_seeds", lambda *words: done)
    code, out, err = here("train", *FEW, "--seeds", "8-9", "--keep", "best")
    assert (code, out) == (0, "all\n")
    assert "--keep best: no seed was chosen, see above; this is the folder of all." in err


def test_a_seed_that_fails_beside_others(decda: Cli, tmp_path: Path) -> None:
    """Other seeds finish, the table and the JSON report the failure, and output of parts stays off stdout."""
    site = install_moods(tmp_path / "site")
    words = ("train", *FEW, "--encoder", "fc", "--head", "moody", "--seeds", "0-1", "--json", "--out", "all")
    done = decda(*words, PYTHONPATH=str(site))
    assert done.returncode == 4, done.stderr
    summary = json.loads(done.stdout)
    assert [run["seed"] for run in summary["runs"]] == [0]
    assert summary["failed"] == [{"seed": 1, "error": "Not this one."}]
    assert summary["std"]["acc"] is None
    assert re.search(r"1 +failed", done.stderr)
    assert "Error: seed 1: Not this one." in done.stderr
    assert "seed 0: noise\n" in done.stderr
    assert "seed 1: half a line\n" in done.stderr
    assert "Traceback" not in done.stderr


def seed_processes(parent: int) -> list[int]:
    """The worker processes of a parent, without the resource tracker, which exits a little later by itself."""
    words = ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="]
    rows = [line.split(None, 2) for line in subprocess.check_output(words, text=True).splitlines()]
    return [int(pid) for pid, its_parent, args in rows if int(its_parent) == parent and "execution.worker" in args]


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix signals")
@pytest.mark.parametrize(
    ("name", "whole_group", "code"),
    [
        pytest.param("SIGTERM", False, 143, marks=pytest.mark.slow),
        ("SIGINT", True, 130),
        pytest.param("SIGUSR1", True, 75, marks=pytest.mark.slow),
    ],
)
def test_an_interrupt_ends_all_seeds(tmp_path: Path, name: str, whole_group: bool, code: int) -> None:
    """SIGTERM to the parent, or Ctrl-C or SIGUSR1 to all processes, saves all runs; folders stay, processes do not."""
    words = ("train", "--encoder", "fc", "--out", "all", "--set", "train.pretrain_epochs=100000", *FEW[:2])
    run = subprocess.Popen(
        [sys.executable, "-m", "decda", *words, "--seeds=0-1", "--jobs=2"],
        cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    logs = [tmp_path / "all" / f"seed-{seed}" / "log.csv" for seed in (0, 1)]
    try:
        while not all(log.exists() and log.read_text().count("\n") > 2 for log in logs):
            assert run.poll() is None
            time.sleep(0.05)
        processes = seed_processes(run.pid)
        assert len(processes) == 2
        number = getattr(signal, name)
        if whole_group:
            os.killpg(run.pid, number)
        else:
            run.send_signal(number)
        out, err = run.communicate(timeout=30)
    finally:
        run.kill()
    assert (run.returncode, out) == (code, "")
    assert f"interrupted by {name}" in err
    assert "To go on: decda train --resume all\n" in err
    assert "Traceback" not in err
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    assert all(list((log.parent / "checkpoints").iterdir()) for log in logs)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("SIGINT", 130, marks=pytest.mark.slow),
        ("SIGTERM", 143),
        pytest.param("SIGUSR1", 75, marks=pytest.mark.slow),
    ],
)
def test_a_signal_saves_the_run(decda: Cli, tmp_path: Path, name: str, code: int) -> None:
    """A run that is told to end saves itself and says how to go on, which it then does as if nothing had happened."""
    words = ("train", "--encoder", "fc", "--start", "kmeans", *FEW, "--set", "train.pretrain_epochs=12")
    assert decda(*words, "--out", "whole").returncode == 0
    run = subprocess.Popen(
        [sys.executable, "-m", "decda", *words, "--out", "a run"],
        cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    log = tmp_path / "a run" / "log.csv"
    while not log.exists() or log.read_text().count("\n") < 3:
        assert run.poll() is None
        time.sleep(0.02)
    run.send_signal(getattr(signal, name))
    out, err = run.communicate(timeout=30)
    assert (run.returncode, out) == (code, "")
    assert f"The run a run was interrupted by {name}; it is saved up to this moment." in err
    assert "To go on: decda train --resume 'a run'\n" in err
    assert "Traceback" not in err
    assert json.loads((tmp_path / "a run" / "provenance.json").read_text())["status"] == "interrupted"
    done = decda("train", "--resume", "a run")
    assert (done.returncode, done.stdout) == (0, "a run\n"), done.stderr
    assert "Resumed in pretraining, after epoch" in done.stderr
    for file in EQUAL:
        assert (tmp_path / "a run" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file
    again = decda("train", "--resume", "a run", "--json")
    assert again.returncode == 0
    assert "The run has already finished; nothing was changed." in again.stderr
    assert json.loads(again.stdout)["run"] == "a run"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--resume", "run", "--out", "new"), 2, "--out has no place"),
        (("--resume", "run", "--seeds", "0-1"), 2, "is the folder of one run"),
        (("--resume", "run", "--jobs", "2"), 2, "It needs --seeds"),
        (
            ("--resume", "run", "--seed", "3", "--set", "head.gamma=7"),
            2,
            "head.gamma is 0.1 in the run, 7.0 here; seed",
        ),
        (("--resume", "nowhere"), 3, "nowhere is not the folder of a run"),
        (("--resume", "."), 3, ". is not the folder of a run"),
        (("--checkpoint-every", "-1"), 2, "--checkpoint-every"),
        (("--checkpoint-every", "soon"), 2, "--checkpoint-every"),
    ],
)
def test_what_cannot_be_resumed(
    decda: Cli, finished_run: Path, tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    """Each mistake is one message with its exit code, and changes nothing."""
    shutil.copytree(finished_run, tmp_path / "run")
    before = sorted(path.name for path in tmp_path.iterdir())
    done = decda("train", *words)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert told in " ".join(done.stderr.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_seeds_are_resumed(decda: Cli, tmp_path: Path) -> None:
    """A folder of several seeds is resumed as a whole; what was finished is kept, and other seeds are refused."""
    words = ("train", *FEW, "--encoder", "fc", "--seeds", "0-1")
    assert decda(*words, "--out", "all").returncode == 0
    whole = {path: path.read_bytes() for path in (tmp_path / "all").rglob("*") if path.name in EQUAL}
    shutil.rmtree(tmp_path / "all" / "seed-1")
    (tmp_path / "all" / "summary.json").unlink()
    refused = decda("train", "--resume", "all", "--seeds", "0-4")
    assert refused.returncode == 2
    assert "all is for the seeds 0, 1" in " ".join(refused.stderr.split())
    done = decda("train", "--resume", "all", "--json")
    assert done.returncode == 0, done.stderr
    assert "seed 0: The run has already finished" in done.stderr
    assert [run["seed"] for run in json.loads(done.stdout)["runs"]] == [0, 1]
    assert {path: path.read_bytes() for path in whole} == whole


def test_damaged_files_are_data_errors(here: Here, tmp_path: Path) -> None:
    """A damaged file below the data root is reported with code 3, and left untouched."""
    (tmp_path / "data" / "usps").mkdir(parents=True)
    file = tmp_path / "data" / "usps" / "zip.train.gz"
    file.write_bytes(b"\x1f\x8b\x08\x00 cut off")
    code, out, err = here("train", "--dataset", "usps", "--data-root", "data", "--offline")
    assert (code, out) == (3, "")
    assert "zip.train.gz" in err
    assert file.read_bytes() == b"\x1f\x8b\x08\x00 cut off"


def test_list_components(here: Here) -> None:
    """All parts of all kinds are listed with summary, package, version and status, as JSON and as a table."""
    listed = json.loads(here("list-components", "--json")[1])
    assert listed["schema_version"] == 1
    ours = [row for row in listed["components"] if row["package"] == "decda"]
    assert {row["kind"] for row in ours} == set(KINDS)
    for row in ours:
        assert list(row) == ["kind", "name", "summary", "package", "version", "status", "error"]
        assert row["summary"].endswith(".")
        assert (row["version"], row["status"], row["error"]) == (package.__version__, "ok", None)
    table = here("list-components")[1]
    assert all(row["name"] in table and row["summary"] in table for row in ours)
    heads = here("list-components", "head")[1]
    assert "idec" in heads
    assert "conv" not in heads


def test_show(here: Here) -> None:
    """`show` prints the parameters of a part with type, default and help, a recipe, and the training settings."""
    row = json.loads(here("show", "head", "idec", "--json")[1])
    assert row["parameters"] == [
        {"name": "gamma", "type": "float", "help": "weight of the clustering term", "required": False, "default": 0.1}
    ]
    assert "head.gamma" in here("show", "head", "idec")[1]
    assert "start_refreshes = 15" in here("show", "recipe", "quick")[1]
    assert "train.update_interval" in here("show", "train")[1]


def test_version(decda: Cli) -> None:
    """`python -m decda --version` prints the version."""
    assert decda("--version").stdout == f"decda {package.__version__}\n"


def test_a_third_party_package_is_listed_and_cannot_break_ours(decda: Cli, tmp_path: Path) -> None:
    """Broken parts, parts with markup in docstrings and ambiguous names are listed, and built-in parts still work."""
    site = tmp_path / "site"
    info = site / "strange-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[decda.heads]\ngone = nowhere:Head\nmarked = strange_parts:Marked\nleaves = strange_leaves:Head\n"
        "dec = strange_parts:Marked\n"
    )
    (site / "strange_parts.py").write_text('class Marked:\n    """[bold]Marked[/bold] up [/nothing]."""\n')
    (site / "strange_leaves.py").write_text(
        '"""x."""\nimport sys\nprint("noise")\nsys.exit(4)\n\nclass Head:\n    """Leaves."""\n'
    )
    environment = {"PYTHONPATH": str(site)}
    listed = json.loads(decda("list-components", "head", "--json", **environment).stdout)["components"]
    status = {(row["name"], row["package"]): row["status"] for row in listed}
    assert status["gone", "strange"] == "broken"
    assert status["marked", "strange"] == "ok"
    assert status["dec", "strange"] == status["dec", "decda"] == "ambiguous"
    assert "[bold]Marked[/bold] up [/nothing]." in decda("list-components", **environment).stdout
    verbose = decda("list-components", "--verbose", "--json", **environment)
    assert verbose.returncode == 0
    loaded = {row["name"]: row for row in json.loads(verbose.stdout)["components"] if row["package"] == "strange"}
    assert loaded["leaves"]["status"] == "broken"
    assert "SystemExit" in loaded["leaves"]["error"]
    ambiguous = decda("train", "--head", "dec", **environment)
    assert ambiguous.returncode == 2
    assert "strange 1.0" in ambiguous.stderr
    leaves = decda("train", "--head", "leaves", **environment)
    assert leaves.returncode == 5
    assert "strange 1.0" in leaves.stderr
    assert decda("train", "--head", "decda:dec", *FEW, **environment).returncode == 0


FAST_COMMANDS = [
    ("--help",),
    ("--version",),
    *((command, "--help") for command in ("train", "evaluate", "reproduce", "check", "new-plugin")),
    ("list-components",),
    ("list-components", "--json"),
]


@pytest.mark.parametrize("words", [*FAST_COMMANDS, ("complete",)], ids=" ".join)
def test_fast_commands_import_no_torch(decda: Cli, words: tuple[str, ...]) -> None:
    """Help, version, shell completion and listing import neither torch nor any plugin."""
    code = (
        "import sys, os\nfrom decda import cli\n"
        "if sys.argv[1:] == ['complete']:\n"
        "    os.environ.update(_DECDA_COMPLETE='bash_complete', COMP_WORDS='decda train --encoder c', COMP_CWORD='3')\n"
        "    sys.argv[1:] = []\n"
        "try:\n    cli.main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "print('LOADED', sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'kornia', 'numpy', 'sklearn'}),"
        " [m for m in sys.modules if m.startswith('decda.plugins')])"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED [] []"
    if words == ("complete",):
        assert "plain,conv" in done.stdout


def test_a_recipe_that_chooses_is_shown_for_an_example(here: Here) -> None:
    """`decda show recipe auto` says for which images its settings are; other recipes have no such line."""
    code, out, err = here("show", "recipe", "auto")
    assert code == 0, err
    assert "It chooses by the images. For 10,000 gray images of 28x28:" in out
    assert "It chooses" not in here("show", "recipe", "quick")[1]


def test_without_a_command(here: Here) -> None:
    """`decda` alone prints how to start, in commands that exist and at most 80 columns; `--help` lists all of them."""
    code, out, err = here()
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    named = re.findall(r"^  decda ([a-z-]+)", out, re.MULTILINE)
    assert named == ["train", "train", "doctor"]
    assert set(named) <= set(COMMANDS)
    code, out, _ = here("--help")
    assert code == 0
    assert out.startswith("Usage: decda [OPTIONS] COMMAND [ARGS]...\n")
    assert all(f"\n  {command} " in out for command in COMMANDS)
