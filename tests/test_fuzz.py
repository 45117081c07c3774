"""Each fuzzer tries inputs for a while, and meets no exception but those that its parser may raise."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SECONDS = int(os.environ.get("DECDA_FUZZ_SECONDS", "60"))
ROOT = Path(__file__).parents[1]
FUZZERS = sorted(
    path.stem for path in (ROOT / "tests" / "fuzz").glob("*.py") if path.stem not in ("__init__", "harness")
)


def test_there_is_a_fuzzer_for_each_parser() -> None:
    """The folder holds the fuzzers that are expected."""
    assert FUZZERS == ["configuration", "gzip_data", "idx", "messages", "seed_ranges", "usps", "values"]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("atheris") is None, reason="needs atheris: python -m pip install atheris")
@pytest.mark.parametrize("fuzzer", FUZZERS)
def test_no_input_crashes_a_parser(fuzzer: str, tmp_path: Path) -> None:
    """For DECDA_FUZZ_SECONDS seconds, 60 by default, nothing comes out of the parser but its documented error."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"tests.fuzz.{fuzzer}", str(SECONDS)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path), "DECDA_OFFLINE": "1"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=SECONDS + 120,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done" in done.stderr
