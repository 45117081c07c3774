"""Every command and every block of Python in README.md and docs/ works, in the order in which it stands on its page."""

import json
import re
import runpy
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import click
import pytest

from decda.cli import cli
from tests.conftest import Here, install
from tests.documented import prepare, prepare_page, shortened
from tests.snippets import PAGES, ROOT, SHELL, Snippet, snippets

DEVELOPMENT = "installs or tests decda itself, as .ci/run does by the line of the README"
NOT_RUN = {
    "python -m pip install -c constraints.txt .": DEVELOPMENT,
    'python -m pip install -c constraints.txt -e ".[test]"': DEVELOPMENT,
    "python -m pytest": DEVELOPMENT,
    "python -m pip install pytest": "installs a package",
    "python -m pytest fuzzy": "tests/test_isolation.py and .ci/run test what new-plugin writes",
    "python -m pip install tensorboard": "installs a package",
    'python -m pip install "decda[dask]"': "installs a package",
    "dask scheduler --port 8786": "is a server",
    "dask worker tcp://host:8786 --nthreads 4": "is a server",
    "decda train --seeds 0-99 --scheduler tcp://host:8786": "needs a cluster; tests/core/execution has a small one",
    "decda reproduce table3 --datasets digits --engine dask --scheduler tcp://host:8786": "needs a cluster",
    "torchrun --nproc-per-node 2 -m decda train --dataset usps --recipe conv-fast": "tests/core/runs/test_sharing.py",
    "tensorboard --logdir runs": "is a server",
    "decda train --head d<Tab>": "is typed, not run",
    "decda show recipe --<Tab>": "is typed, not run",
    "decda judge runs/<Tab>": "is typed, not run",
    "_DECDA_COMPLETE=bash_source decda > ~/.decda-complete.bash": "writes to the home folder of a user",
    "echo '. ~/.decda-complete.bash' >> ~/.bashrc": "writes to the home folder of a user",
    "_DECDA_COMPLETE=zsh_source decda > ~/.decda-complete.zsh": "writes to the home folder of a user",
    "echo '. ~/.decda-complete.zsh' >> ~/.zshrc": "writes to the home folder of a user",
    "_DECDA_COMPLETE=fish_source decda > ~/.config/fish/completions/decda.fish": "writes to the home folder of a user",
}
"""Commands that are not run, with the reason."""
FILES = {'registry.add("head", "mine"': "my_head.py", 'registry.add("listener", "note"': "my_note.py"}
"""Blocks of Python that a page asks the reader to save, by what only they contain, and the name of the file."""
WRITES = ("--out", "--embeddings")
"""Options that name a file or folder which must not exist; pages use one name in several examples."""
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES if snippets(page)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that pages assume, of which each page gets a copy."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch, shortened():
        patch.chdir(folder)
        prepare(folder)
    return folder


@pytest.fixture
def own_modules(tmp_path: Path) -> Iterator[None]:
    """No later test finds a module that a page has installed."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.mark.usefixtures("own_modules")
@pytest.mark.parametrize("name", NAMES)
def test_a_page(name: str, world: Path, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands, Python and TOML of a page work, one after the other, in one folder."""
    variables = prepare_page(name, world, tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "site")
    for snippet in snippets(ROOT / name):
        if snippet.language in SHELL:
            for place, command in snippet.commands():
                if command not in NOT_RUN:
                    _run(command, place, here, tmp_path)
        elif snippet.language == "python":
            _execute(snippet, variables)
        elif snippet.language == "toml":
            tomllib.loads(snippet.code)
        else:
            assert snippet.language == "text", f"{snippet.page}:{snippet.line}: which language is {snippet.language!r}?"


def _run(command: str, place: str, here: Here, folder: Path) -> None:
    """Run a command as it stands, after removing what it is to write."""
    words = shlex.split(command)
    for option, value in pairwise(words):
        if option in WRITES:
            _remove(folder / value)
    if words[:5] == ["python", "-m", "pip", "install", "-e"]:
        _install(folder, words[5])
    elif words[0] == "python":
        _run_script(words[1:])
    else:
        assert words[0] == "decda", f"{place}: `{command}` is neither run nor excepted"
        with nullcontext() if words[1] == "check" else shortened():  # the contract kit trains in its own way
            code, out, err = here(*words[1:])
        assert code == 0, f"{place}: `{command}` ends with {code}:\n{out}{err}"
        if "--json" in words:
            json.loads(out)


def _remove(path: Path) -> None:
    """Remove what a former example of a page has written."""
    path.with_name(f"{path.stem}-skipped.csv").unlink(missing_ok=True)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _install(folder: Path, package: str) -> None:
    """Do what pip does for a package that new-plugin has written: its metadata can be found, and its code imported."""
    project = tomllib.loads((folder / package / "pyproject.toml").read_text())["project"]
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in parts.items())
        for group, parts in project["entry-points"].items()
    ]
    install(folder / "site", package, "".join(groups))
    sys.path.insert(1, str(folder / package))  # taken away with the other one, which monkeypatch put first


def _run_script(words: list[str]) -> None:
    """Run a script of this repository."""
    former, sys.argv = sys.argv, [str(ROOT / words[0]), *words[1:]]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        sys.argv = former


def _execute(snippet: Snippet, variables: dict[str, object]) -> None:
    """Execute a block as a cell of a notebook, and save it as a file if its page says so."""
    for word, file in FILES.items():
        if word in snippet.code:
            Path(file).write_text(snippet.code)
    for out in re.findall(r'out="([^"]+)"', snippet.code):
        _remove(Path(out))
    lines = "\n" * (snippet.line - 1) + snippet.code  # tracebacks show the line of the page
    with shortened():
        exec(compile(lines, str(ROOT / snippet.page), "exec"), variables)


def test_what_is_not_run_is_there() -> None:
    """Each command that is excepted stands in some page."""
    commands = {
        command
        for page in PAGES
        for snippet in snippets(page)
        if snippet.language in SHELL
        for _, command in snippet.commands()
    }
    assert set(NOT_RUN) - commands == set()


@pytest.mark.parametrize("page", [page for page in PAGES if "`decda " in page.read_text(encoding="utf-8")], ids=str)
def test_commands_within_sentences(page: Path) -> None:
    """Commands within sentences exist, and so do their options."""
    context = click.Context(cli)
    for text in re.findall(r"`decda ([^`]+)`", page.read_text(encoding="utf-8")):
        words = text.split()
        if words[0].isupper():  # stands for any command
            continue
        command = None if words[0].startswith("-") else cli.get_command(context, words[0])
        assert command is not None or words[0].startswith("-"), f"decda {text}"
        known = {option for parameter in (command or cli).params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--") and word != "--"} <= known, f"decda {text}"
