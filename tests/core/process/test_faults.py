"""Points at which tests let a process die."""

import os
import subprocess
import sys

SCRIPT = """
from decda.core.process.faults import fault_point
for name in ("a", "b", "a", "b", "a"):
    fault_point(name)
    print(name, flush=True)
"""


def test_a_process_dies_at_the_named_point() -> None:
    """Without the variable nothing happens; with it, the process is killed when the point is passed that often."""
    for fault, printed, code in (
        ("", "ababa", 0),
        ("a", "", -9),
        ("b", "a", -9),
        ("a:2", "abab", -9),
        ("c", "ababa", 0),
    ):
        environment = {**os.environ, "DECDA_FAULT": fault}
        words = [sys.executable, "-c", SCRIPT]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        assert (done.stdout.replace("\n", ""), done.returncode) == (printed, code), fault
