"""Standard streams that no program dies of."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from decda.core.process.streams import PatientStream, mend_streams

CODE = """
import os, sys
from decda.core.process.streams import mend_streams
mend_streams()
opened = open("opened", "w")
print("out", "\\N{SLIGHTLY SMILING FACE}", "\\udcff", flush=True)
for _ in range(3):
    print("err", "\\N{SLIGHTLY SMILING FACE}", file=sys.stderr, flush=True)
os.write(1, b"native out\\n")
try:
    os.write(2, b"native err\\n")
except OSError:
    pass
opened.write("mine")
"""


def redirected(folder: Path, redirection: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """The code in a process whose streams a shell has redirected."""
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {redirection}', sys.executable, CODE],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize(
    "redirection", ["2>/dev/full", "2>&-", ">&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-", "<&- 2>/dev/full"]
)
def test_streams_that_are_closed_or_full(tmp_path: Path, redirection: str) -> None:
    """With any stream closed, or stderr full, a program goes on, and what it prints does not get into its files."""
    done = redirected(tmp_path, redirection)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "opened").read_text() == "mine"
    assert done.stdout == (b"" if ">&-" in redirection.replace("2>&-", "") else "out 🙂 \\udcff\nnative out\n".encode())
    assert done.stderr == (b"" if "2>" in redirection else 3 * "err 🙂\n".encode() + b"native err\n")


def test_streams_that_cannot_show_a_character(tmp_path: Path) -> None:
    """What the encoding of a stream does not hold is written as an escape."""
    done = redirected(tmp_path, "", PYTHONIOENCODING="ascii")
    assert done.stdout == b"out \\U0001f642 \\udcff\nnative out\n"
    assert done.stderr == 3 * b"err \\U0001f642\n" + b"native err\n"


def test_replaced_streams_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams that a test or a notebook has put in place are left alone."""
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    mend_streams()
    assert (sys.stdout, sys.stderr) == (out, err)


def test_what_cannot_be_written_is_dropped() -> None:
    """A stream whose file refuses bytes says that it has written them, and writes again when it can."""

    class Refusing(io.RawIOBase):
        def __init__(self) -> None:
            self.full = True
            self.content = b""

        def writable(self) -> bool:
            return True

        def write(self, content: bytes) -> int:  # type: ignore[override]
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.content += bytes(content)
            return len(content)

    raw = Refusing()
    stream = PatientStream(raw, encoding="utf-8", line_buffering=True)  # type: ignore[arg-type]
    assert stream.write("one\n") == 4
    stream.flush()
    raw.full = False
    stream.write("two\n")
    assert raw.content.endswith(b"two\n")
