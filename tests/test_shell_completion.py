"""Shells complete commands, options, names of parts and paths."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from decda.cli import COMMANDS
from tests.conftest import install

GUIDE = (Path(__file__).parents[1] / "docs" / "shell-completion.md").read_text(encoding="utf-8")
SHELLS = ("bash", "zsh", "fish")


def decda(what: str, words: str = "", folder: Path | None = None, **environment: str) -> str:
    """What decda prints where a shell asks it, by the variable that click reads."""
    done = subprocess.run(
        [sys.executable, "-m", "decda"],
        cwd=folder,
        env={**os.environ, "_DECDA_COMPLETE": what, "COMP_WORDS": words, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def complete(line: str, **environment: str) -> list[tuple[str, str]]:
    """What bash is offered at the end of a line: the kind of each, and its text."""
    words = line.split(" ")
    shown = decda("bash_complete", line, COMP_CWORD=str(len(words) - 1), **environment)
    return [(kind, value) for kind, _, value in (row.partition(",") for row in shown.splitlines())]


def offered(line: str, **environment: str) -> list[str]:
    return [value for _, value in complete(line, **environment)]


def test_commands() -> None:
    """All commands are offered, or those that begin with what was typed."""
    assert offered("decda ") == sorted(COMMANDS)
    assert offered("decda re") == [name for name in sorted(COMMANDS) if name.startswith("re")]
    assert offered("decda doc") == ["doctor"]


def test_names_of_parts() -> None:
    """Registered parts are offered by their kind."""
    assert offered("decda --no-plugins train --head d") == ["dcn", "dec"]
    assert offered("decda --no-plugins train --encoder ") == ["conv", "fc"]
    assert "tsne" in offered("decda train --start t")
    assert offered("decda list-components st") == ["start"]


def test_parts_of_other_packages(tmp_path: Path) -> None:
    """The parts of other packages are offered, too, and none of their code runs."""
    install(tmp_path, "other", "[decda.heads]\ndelightful = nowhere_at_all:Head\n")
    assert "delightful" in offered("decda train --head d", PYTHONPATH=str(tmp_path))


def test_options() -> None:
    """Options are offered where a dash was typed."""
    assert offered("decda train --see") == ["--seed", "--seeds"]
    assert "--verbose" in offered("decda runs --")


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("decda evaluate ru", "dir"),
        ("decda predict ru", "dir"),
        ("decda judge runs/a ru", "dir"),
        ("decda combine ru", "dir"),
        ("decda export --format onnx ru", "dir"),
        ("decda runs ru", "dir"),
        ("decda train --resume ru", "dir"),
        ("decda doctor --data-root ru", "dir"),
        ("decda train --config ru", "file"),
        ("decda predict runs/a ru", "file"),
    ],
)
def test_paths(line: str, kind: str) -> None:
    """Runs and other folders are completed by the shell from folders, files from all that there is."""
    assert complete(line) == [(kind, "ru")]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell(shell: str) -> None:
    """The script that the guide installs asks decda in the way of its shell, and gets an answer."""
    line = f"_DECDA_COMPLETE={shell}_source decda"
    assert line in GUIDE
    script = decda(f"{shell}_source")
    assert f"_DECDA_COMPLETE={shell}_complete" in script
    words = {"COMP_CWORD": "d" if shell == "fish" else "3"}
    shown = decda(f"{shell}_complete", "decda train --head d", **words)
    assert {"dcn", "dec"} <= set(re.findall(r"\w+", shown))


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_in_bash(tmp_path: Path) -> None:
    """In a real bash, the script completes a name, and hands folders over to bash."""
    program = tmp_path / "bin" / "decda"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m decda "$@"\n')
    program.chmod(0o755)
    script = tmp_path / "completion.bash"
    script.write_text(decda("bash_source"))
    code = (
        f"source {script}\ncompopt() {{ echo compopt $*; }}\n"
        "COMP_WORDS=(decda --no-plugins train --head d); COMP_CWORD=4; _decda_completion decda; echo ${COMPREPLY[*]}\n"
        "COMP_WORDS=(decda judge ru); COMP_CWORD=2; _decda_completion decda\n"
    )
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", code], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["dcn dec", "compopt -o dirnames"]
