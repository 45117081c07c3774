"""Names of run folders, and places where no folder can be made."""

import shutil
import subprocess
import sys
import threading
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decda.core.errors import ConfigError
from decda.core.runs.naming import check_out, check_place, folder_name, new_folder, printable
from tests.unprivileged import run_unprivileged

CHECK = """
import sys
from pathlib import Path
from decda.core.errors import ConfigError
from decda.core.runs.naming import check_out, check_place, new_folder
try:
    for step in sys.argv[1].split():
        globals()[step](*(Path(word) for word in sys.argv[2:]))
except ConfigError as error:
    sys.exit(str(error))
"""
NEW = """
import sys
from pathlib import Path
from decda.core.runs.naming import new_folder
print("ready", flush=True)
sys.stdin.readline()
print(new_folder(None, "quick", Path(sys.argv[1])))
"""
UNICODE = st.text(st.characters())  # lone surrogates, too


def test_twenty_threads_get_twenty_folders(tmp_path: Path) -> None:
    """Runs that start at the same time never share a folder, because creating it is atomic."""
    paths: list[Path] = []
    barrier = threading.Barrier(20)

    def start() -> None:
        barrier.wait()
        paths.append(new_folder(None, "quick", tmp_path / "runs"))

    threads = [threading.Thread(target=start) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path.name for path in paths} == {f"quick-{n}" for n in range(1, 21)}


def test_twenty_processes_get_twenty_folders(tmp_path: Path) -> None:
    """Twenty processes that are let go in the same moment get a folder each, and all numbers are used."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", NEW, str(tmp_path / "runs")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(20)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        print(file=process.stdin, flush=True)
    folders = {process.communicate(timeout=30)[0].rstrip("\n") for process in processes}
    assert folders == {str(tmp_path / "runs" / f"quick-{n}") for n in range(1, 21)}
    assert {str(path) for path in (tmp_path / "runs").iterdir()} == folders


def test_out_must_not_exist(tmp_path: Path) -> None:
    """An existing folder, file or dangling link at the path of a new folder is an error and is left untouched."""
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a\nb").mkdir()
    for name in ("file", "link", ".", "a\nb", "link/.."):
        for make in (check_out, lambda out: new_folder(out, "x")):
            with pytest.raises(ConfigError, match="exists already|leads back"):
                make(tmp_path / name)
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize(
    "name", ["a/b", "../a/x", "./a", "-x", "a b ", "été 🙂", "x/", "a" * 200, "here/../b", "~", "%s{}"]
)
def test_harmless_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Names that look odd but do no harm are taken as they are, relative or absolute, with missing folders above."""
    for folder in ("one", "two/two"):
        (tmp_path / folder / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "one")
    check_out(Path(name))
    assert new_folder(Path(name), "x").is_dir()
    assert new_folder(tmp_path / "two" / "two" / name, "x").is_dir()


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        ("a\nb", r"a\\nb cannot be used: its name holds control"),
        ("a\tb", r"a\\tb cannot be used: its name holds control"),
        ("a\0b", r"a\\x00b cannot be used: its name holds control"),
        ("a\x1b[31mb\x7f", r"a\\x1b\[31mb\\x7f cannot"),
        ("a\u2028b", r"a\\u2028b cannot"),
        ("a\udcffb", r"a\\udcffb cannot be used: .* bytes that are no text"),
        ("a" * 300, r"the name a+\.\.\.a+ has 300 bytes, and 255 are allowed"),
        ("🙂" * 75, r"the name 🙂+ has 300 bytes"),
        ("missing/" + "a" * 256, "has 256 bytes"),
        ("/".join(["a" * 200] * 25), r"\.\.\.aaa.* cannot be used: its path has 50\d\d bytes"),
        ("file/x", "file is not a folder"),
        ("file/x/y", "file is not a folder"),
        ("link/x", "link is not a folder"),
        ("loop/x", "loop is not a folder"),
        ("missing/..", "it leads back out of .*missing, which does not exist"),
        ("missing/../x", "it leads back out of .*missing, which does not exist"),
    ],
)
def test_what_cannot_be_made_is_refused_first(tmp_path: Path, name: str, piece: str) -> None:
    """What cannot be made is refused in one line that says why, and no folder above it is made."""
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    before = set(tmp_path.rglob("*"))
    for make in (check_out, check_place, lambda out: new_folder(out, "x")):
        with pytest.raises(ConfigError, match=piece) as caught:
            make(tmp_path / name)
        assert str(caught.value).endswith("Name another folder; nothing was changed.")
        assert len(str(caught.value)) < 1000
        assert caught.value.parameter == "out"
        assert caught.value.exit_code == 2
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("mode", "name"), [(0o555, "out"), (0o666, "out"), (0o555, "a/b/out"), (0o000, "a/out")])
def test_a_place_without_permission(tmp_path: Path, mode: int, name: str) -> None:
    """A folder that is read-only or not searchable is named before anything is done, and nothing is made in it."""
    place = tmp_path / "place"
    place.mkdir(mode=mode)
    for words in (("check_out", place / name), ("check_place", place), ("check_out", "None", place)):
        code = CHECK.replace("Path(word)", "eval(word) if word == 'None' else Path(word)")
        done = run_unprivileged(["-c", code, *map(str, words)], tmp_path)
        assert done.returncode == 1, words
        assert done.stderr.endswith(f"{place} is not writable. Name another folder; nothing was changed.\n"), words
    place.chmod(0o755)
    assert not list(place.iterdir())


def test_a_file_at_the_default_place(tmp_path: Path) -> None:
    """A file called like the folder of all runs is an error, before anything is done and when the folder is made."""
    (tmp_path / "runs").write_text("precious")
    for make in (check_out, lambda out, parent: new_folder(out, "x", parent)):
        with pytest.raises(ConfigError, match="runs is not a folder"):
            make(None, tmp_path / "runs")
    assert (tmp_path / "runs").read_text() == "precious"


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with less than a megabyte is full; one that does not tell its size is tried."""
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2**40, 2**40 - 1000, 1000))
    with pytest.raises(ConfigError, match=f"the disk of {tmp_path} is full"):
        check_out(tmp_path / "a" / "b")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 0))
    check_out(tmp_path / "a")

    def refuse(path: object) -> None:
        raise OSError

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    check_out(tmp_path / "a")


def test_a_current_folder_that_was_removed(tmp_path: Path) -> None:
    """If the folder in which a command stands was removed, it says so and does not fail in some other way."""
    (tmp_path / "gone").mkdir()
    code = CHECK.replace("try:", "import os; os.rmdir(os.getcwd())\ntry:", 1)
    words = [sys.executable, "-c", code, "check_out", "x"]
    done = subprocess.run(words, cwd=tmp_path / "gone", capture_output=True, text=True, check=False)
    assert "x cannot be used: No such file or directory. Name another" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_locale_without_unicode(tmp_path: Path) -> None:
    """Where names of files are ASCII, others are refused or written without what they cannot hold."""
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "utf-8"}
    code = CHECK.replace("sys.argv[2:]", "['t\\u00e9']")
    done = run_unprivileged(["-c", code, "check_out"], tmp_path, timeout=60, **environment)
    assert "names of files are written in ascii, which its name is not" in done.stderr
    code = "from decda.core.runs.naming import new_folder; print(new_folder(None, 'data-\\u00e9t\\u00e9'))"
    done = run_unprivileged(["-c", code], tmp_path, timeout=60, **environment)
    assert done.stdout == "runs/data-t-1\n", done.stderr


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../up/x", "up-x"),
        ("/etc/passwd", "etc-passwd"),
        ("", "run"),
        ("..", "run"),
        ("...", "run"),
        ("🙂", "run"),
        ("a🙂b", "a-b"),
        ("été", "été"),
        ("-x-", "x"),
        ("a\nb\0c", "a-b-c"),
        ("con", "run-con"),
        ("Nul.txt", "run-Nul.txt"),
        ("console", "console"),
    ],
)
def test_names_of_folders(text: str, name: str) -> None:
    """Names of parts become names of folders that work on all systems."""
    assert folder_name(text) == name


def test_long_names_stay_different() -> None:
    """Of names that differ only at their end, the folders differ."""
    assert len(folder_name("a" * 300)) == 200
    assert folder_name("a" * 300) != folder_name("a" * 301)
    assert folder_name("é" * 300).startswith("é" * 95 + "-")


@settings(deadline=None)
@given(
    UNICODE
    | st.sampled_from(["con.", "LPT1" + "x" * 300, "." * 300, "é" * 150]).flatmap(lambda t: UNICODE.map(t.__add__))
)
def test_any_text_gives_a_name(text: str) -> None:
    """Whatever the text, its name is one component of a path, not empty, not long, printable, and stays the same."""
    name = folder_name(text)
    assert Path("parent", name).parts == ("parent", name)
    assert name not in ("", ".", "..")
    assert len(name.encode()) <= 200
    assert not any(unicodedata.category(character).startswith("C") for character in name)
    assert folder_name(name) == name


@settings(deadline=None)
@given(UNICODE)
def test_any_text_gives_a_folder_below_its_parent(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever the text, the folder is made directly below its parent, and nowhere else."""
    root = tmp_path_factory.mktemp("root")
    folder = new_folder(None, text, root / "runs")
    assert folder.parent == root / "runs"
    assert set(root.rglob("*")) == {root / "runs", folder}


@settings(deadline=None)
@given(UNICODE)
def test_any_text_can_be_printed(text: str) -> None:
    """Whatever the text, it is printed in one line, which can be encoded, and ordinary text is not changed."""
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    shown.encode()
    assert printable(shown) == shown
    if text.isprintable():
        assert shown == text
