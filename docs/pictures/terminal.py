"""Records a command as a terminal shows it, and draws the screen as SVG."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

CONTROL = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(\r?\n)|(\r)")
FONTS = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace'


def record(words: list[str], folder: Path, *, width: int = 100) -> str:
    """Run a command in a terminal of its own.

    Args:
        words: the command.
        folder: where it runs.
        width: of the terminal, in characters.

    Returns:
        Everything that it wrote, control codes included.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with subprocess.Popen(words, cwd=folder, env=environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        written = bytearray()
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # how Linux says that the other side has been closed
                break
            if not chunk:
                break
            written += chunk
    os.close(ours)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words, written.decode(errors="replace"))
    return written.decode()


def last_screen(written: str) -> list[str]:
    """The lines that are left on a terminal of any height.

    Knows the control codes with which rich redraws its live lines: up, clear this line, and to its beginning.

    Args:
        written: what a program wrote.

    Returns:
        Lines, with the codes of their colours.
    """
    lines, row, position = [""], 0, 0
    for found in CONTROL.finditer(written):
        text = written[position : found.start()]
        lines[row] += text
        position = found.end()
        count, code = found[1], found[2]
        if code == "m":
            lines[row] += found[0]
        elif code == "A":
            row = max(row - int(count or 1), 0)
        elif code == "K":
            lines[row] = ""
        elif found[3]:
            row += 1
            if row == len(lines):
                lines.append("")
    return lines


def draw(command: str, lines: list[str], path: Path, *, width: int = 100) -> None:
    """Draw a command and what it left on the terminal as SVG, without a font from elsewhere.

    Args:
        command: as it was typed.
        lines: of the terminal.
        path: of the SVG.
        width: of the terminal, in characters.
    """
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    for line in "\n".join(lines).rstrip().splitlines():
        console.print(Text.from_ansi(line), soft_wrap=True)
    drawn = console.export_svg(title="", unique_id=path.stem)
    drawn = re.sub(r"@font-face \{.*?\n    \}\n", "", drawn, flags=re.DOTALL).replace("Fira Code, monospace", FONTS)
    drawn = re.sub(r" *<!--.*?-->\n", "", drawn)
    path.write_text(re.sub(r"[ \t]+\n|\n(?=\n)", "\n", drawn), encoding="utf-8")
