"""The documented exit codes, each of a real process.

For those after a signal, 75, 130 and 143, see `test_cli.py::test_a_signal_saves_the_run`.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Cli

ROOT = Path(__file__).parents[1]
BROKEN = "def register(registry):\n    raise ValueError('no')\n"
FEW = ("--set=dataset.size=8", "--set=train.pretrain_epochs=0", "--set=train.batch_size=512", "--set=train.max_iter=4")


def nothing(run: Path) -> None:
    """Leave a run as it is."""


def damage(run: Path) -> None:
    """Flip a bit in each checkpoint."""
    for path in (run / "checkpoints").glob("*/tensors.safetensors"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


def age(run: Path) -> None:
    """Make a run that of another version of its head, before its first checkpoint."""
    shutil.rmtree(run / "checkpoints")
    provenance = json.loads((run / "provenance.json").read_text())
    provenance["parts"]["head"]["version"] = "0.0.9"
    (run / "provenance.json").write_text(json.dumps(provenance))


RESUME = ("train", "--resume", "begun")
CASES: list[tuple[int, tuple[str, ...], Callable[[Path], None], str]] = [
    (0, ("list-components",), nothing, ""),
    (2, ("train", "--head", "idecc"), nothing, "Did you mean 'idec'?"),
    (3, ("evaluate", "nowhere"), nothing, "nowhere"),
    (
        4,
        ("train", "--encoder=conv", "--start=kmeans", *FEW, "--set=train.cluster_learning_rate=1e30"),
        nothing,
        "diverged",
    ),
    (5, ("train", "--load=broken.py"), nothing, "broken.py failed: ValueError: no"),
    (6, RESUME, damage, "No checkpoint in begun/checkpoints can be used (00000001: tensors.safetensors is not what"),
    (7, ("train", "--seeds=0-1", "--scheduler=none://x:1"), nothing, "No scheduler of Dask answers at none://x:1 ("),
    (6, RESUME, age, "The run cannot go on with another head 'idec': decda:idec 0.0.9 then"),
]


@pytest.mark.parametrize(("code", "words", "change", "told"), CASES, ids=[f"{c[0]}-{c[2].__name__}" for c in CASES])
def test_each_kind_of_end_has_its_exit_code(
    decda: Cli,
    begun_run: Path,
    tmp_path: Path,
    code: int,
    words: tuple[str, ...],
    change: Callable[[Path], None],
    told: str,
) -> None:
    """A command exits with the documented code of what happened, and tells it without a traceback."""
    change(shutil.copytree(begun_run, tmp_path / "begun"))
    (tmp_path / "broken.py").write_text(BROKEN)
    done = decda(*words)
    assert done.returncode == code, done.stderr
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_result_that_cannot_be_printed_has_exit_code_1() -> None:
    """A command whose result does not fit on stdout says so. For files, see `test_disk_faults.py`."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "decda", "list-components"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr


def test_no_other_exit_code_is_documented() -> None:
    """The table in docs/runs.md has those that are tested, here and after signals."""
    rows = re.findall(r"^\| ([\d, ]+) \|", (ROOT / "docs" / "runs.md").read_text(encoding="utf-8"), re.MULTILINE)
    documented = {int(code) for row in rows for code in row.split(",")}
    assert documented == {1, 75, 130, 143, *(code for code, *_ in CASES)}
