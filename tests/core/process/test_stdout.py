"""Redirecting stdout to stderr."""

import subprocess
import sys

import pytest

CODE = """
import os, sys
from decda.core.process.stdout import stdout_to_stderr

print("before")
try:
    with stdout_to_stderr():
        print("python")
        os.write(1, b"below python\\n")
        os.system("echo process")
        if "raise" in sys.argv:
            raise ValueError
except ValueError:
    pass
print("after")
"""


@pytest.mark.parametrize("words", [(), ("raise",)])
def test_all_output_goes_to_stderr(words: tuple[str, ...]) -> None:
    """Output of Python, file descriptor 1 and child processes is redirected, and stdout restored, even on errors."""
    done = subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=True)
    assert done.stdout == "before\nafter\n"
    assert sorted(done.stderr.split("\n")) == ["", "below python", "process", "python"]


def test_a_closed_stdout_does_not_matter() -> None:
    """If Python was started with stdout closed, redirected output is still written."""
    code = "from decda.core.process.stdout import stdout_to_stderr\nwith stdout_to_stderr():\n    print('said')\n"
    words = [sys.executable, "-c", code]
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *words], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "said\n")
