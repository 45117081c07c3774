import itertools
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import entrypoints
import pytest

from decda.core.parts.discovery import Discovery, discover
from decda.core.parts.entries import GROUPS, KINDS, Entry

GOOD = "[decda.heads]\nidec = good_plugin.heads:IDEC\n"
GOOD_ENTRY = Entry("head", "idec", "good", "1.0", "good_plugin.heads", "IDEC")

MALFORMED = {
    "duplicate key": b"[console_scripts]\nrun = a:b\nrun = a:c\n",
    "duplicate section": b"[console_scripts]\nrun = a:b\n[console_scripts]\ngo = a:c\n",
    "no header": b"run = a:b\n",
    "byte order mark": b"\xef\xbb\xbf[console_scripts]\nrun = a:b\n",
    "bad UTF-8": b"[console_scripts]\nr\xfcn = a:b\n",
    "no equals sign": b"[console_scripts]\nrun\n",
    "nul bytes": b"\x00\x00\x00",
    "utf-16": "[console_scripts]\nrun = a:b\n".encode("utf-16"),
    "default section": b"[DEFAULT]\nrun = a:b\n",
}


def install(
    folder: Path,
    stem: str,
    text: str | bytes | None = None,
    suffix: str = ".dist-info",
    metadata: str | None = "Name: x\nVersion: 9\n",
) -> Path:
    """Create the metadata of a distribution as pip installs them."""
    info = folder / f"{stem}{suffix}"
    info.mkdir(parents=True)
    if metadata is not None:
        (info / ("METADATA" if suffix == ".dist-info" else "PKG-INFO")).write_text(metadata, encoding="utf-8")
    if text is not None:
        (info / "entry_points.txt").write_bytes(text.encode() if isinstance(text, str) else text)
    return info


def find(*folders: Path) -> Discovery:
    return discover([str(folder) for folder in folders])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_group(tmp_path: Path, kind: str) -> None:
    """A line in the group of a kind becomes an entry of that kind with package and version."""
    install(tmp_path, "my_plugin-2.1", f"[{GROUPS[kind]}]\nThing-1.x = my_plugin.parts:Outer.inner [extra]\n")
    entry = Entry(kind, "Thing-1.x", "my-plugin", "2.1", "my_plugin.parts", "Outer.inner")
    assert find(tmp_path) == ((entry,), ())
    assert entry.qualified == "my-plugin:Thing-1.x"


def test_the_default_path_is_sys_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument, packages on `sys.path` are found."""
    install(tmp_path, "good-1.0", GOOD)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert GOOD_ENTRY in discover().entries


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_unrelated_package_hides_no_part(tmp_path: Path, content: bytes) -> None:
    """A malformed file of an unrelated package hides no part and is not reported."""
    install(tmp_path, "aaa-1.0", content)
    install(tmp_path, "good-1.0", GOOD)
    install(tmp_path, "zzz-1.0", content)
    assert find(tmp_path) == ((GOOD_ENTRY,), ())


@pytest.mark.parametrize("content", [MALFORMED["duplicate key"], MALFORMED["bad UTF-8"], MALFORMED["no header"]])
def test_the_library_would_lose_the_folder(tmp_path: Path, content: bytes) -> None:
    """The fallback is necessary, because the entrypoints library itself raises on such files."""
    install(tmp_path, "aaa-1.0", content)
    with pytest.raises(Exception, match=r"aaa|utf-8"):
        list(entrypoints.iter_files_distros(path=[str(tmp_path)]))


def test_a_sound_folder_is_read_without_importlib_metadata(tmp_path: Path) -> None:
    """importlib.metadata is imported only if there is a malformed file."""
    install(tmp_path / "sound", "good-1.0", GOOD)
    install(tmp_path / "malformed", "aaa-1.0", MALFORMED["no header"])
    code = (
        "import sys; from decda.core.parts.discovery import discover\n"
        "for folder in sys.argv[1:]: discover([folder]); print('importlib.metadata' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "sound"), str(tmp_path / "malformed")]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert run.stdout.split() == ["False", "True"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xef\xbb\xbf[decda.heads]\nidec = p:A\n", "byte order mark"),
        ("[decda.heads]\nidec = p:A\n".encode("utf-16"), "not UTF-8"),
        (b"[decda.heads]\nidec = p:A\n# J\xfcrgen\n", "not UTF-8"),
        (b"[decda.heads]\nidec\n", "should read 'name = package.module:object'"),
        (b"[decda.heads]\nidec =\n", "not a path to an object"),
        (b"[decda.heads]\nidec = p:A\nidec = p:B\n", "twice"),
        (b"[decda.heads]\nidec = p:A\n[decda.heads]\nidec = p:B\n", "twice"),
        (b"[decda.heads]\nidec = %(other)s\n", "not a path to an object"),
        (b"[decda.heads]\nidec = p:A%\n", "not a path to an object"),
        (b"[decda.heads]\nidec = my-plugin:A\n", "not a path to an object"),
        (b"[decda.heads]\nidec = p.2d:A\n", "not a path to an object"),
        (b"[decda.heads]\nidec = p:A()\n", "not a path to an object"),
        (b"[decda.heads]\nidec = p:A ; the head\n", "not a path to an object"),
        (b"[decda.heads\nidec = p:A\n", "has no closing ']'"),
        (b"[console_scripts]\nrun = a:b\n[decda.heads\nidec = p:A\n", "has no closing ']'"),
    ],
)
def test_a_damaged_part_is_shown(tmp_path: Path, content: bytes, reason: str) -> None:
    """A defect in a decda group becomes an entry with the reason instead of a missing part; other parts stay."""
    install(tmp_path, "bad-1.0", content)
    install(tmp_path, "good-1.0", GOOD)
    (damaged, good), problems = find(tmp_path)
    assert (damaged.kind, damaged.name, damaged.package, damaged.version) == ("head", "idec", "bad", "1.0")
    assert damaged.problem is not None
    assert reason in damaged.problem
    assert good == GOOD_ENTRY
    assert problems == ()


def test_there_is_no_interpolation(tmp_path: Path) -> None:
    """`%(other)s`, which configparser would replace by the value of another line, is refused."""
    install(tmp_path, "bad-1.0", "[decda.heads]\ndec = p:A\nidec = %(dec)s\n")
    assert [entry.problem is None for entry in find(tmp_path).entries] == [True, False]


@pytest.mark.parametrize("name", ["two words", "decda:idec", "tab\tbed", "bell\a", "zero\u200bwidth"])
def test_a_name_that_cannot_be_typed_is_shown(tmp_path: Path, name: str) -> None:
    """A name with a blank, a colon or an invisible character is a problem, because users could not type it."""
    install(tmp_path, "bad-1.0", f"[decda.heads]\n{name} = p:A\n")
    (entry,), problems = find(tmp_path)
    assert entry.name == name
    assert "must not contain blanks" in (entry.problem or "")
    assert problems == ()


@pytest.mark.parametrize(
    ("stem", "metadata", "content", "reason"),
    [
        ("bad-1.0", "", b"idec = p:A\n[decda.heads]\n", "before its first [group]"),
        ("bad-1.0", "", b"\xef\xbb\xbfidec = p:A\n[decda.heads]\n", "before its first [group]"),
        ("decda_extra-1.0", "", b"idec = p:A\n", "before its first [group]"),
        ("bad-1.0", "Requires-Dist: Decda>=0.1\n", b"idec = p:A\n", "before its first [group]"),
        ("bad-1.0", "Requires-Dist: decda\n", b"\xff\xfe\xfd", "not UTF-8"),
        ("bad-1.0", "", b"[decda.heads]\n= p:A\n", "has no name"),
        ("bad-1.0", "", b"[decda.head]\nidec = p:A\n", "Did you mean 'decda.heads'?"),
        ("bad-1.0", "", b"[ decda.heads ]\nidec = p:A\n", "decda has no group"),
        ("bad-1.0", "", b"[Decda.Heads]\nidec = p:A\nidec = p:B\n", "decda has no group"),
    ],
)
def test_a_defect_without_a_name_is_a_problem(
    tmp_path: Path, stem: str, metadata: str, content: bytes, reason: str
) -> None:
    """If a damaged file of a plugin does not even name a part, the file itself is reported."""
    info = install(tmp_path, stem, content, metadata=metadata)
    install(tmp_path, "good-1.0", GOOD)
    entries, (problem,) = find(tmp_path)
    assert entries == (GOOD_ENTRY,)
    assert (problem.package, problem.version) == (stem[:-4].replace("_", "-"), "1.0")
    assert problem.file == str(info / "entry_points.txt")
    assert reason in problem.reason


@pytest.mark.parametrize("metadata", ["Requires-Dist: decda-extra\n", "Requires-Dist: pandecda\n", "\ufeff", None])
def test_needing_another_package_is_not_needing_decda(tmp_path: Path, metadata: str | None) -> None:
    """A file without a group is not reported if its package does not require decda itself."""
    install(tmp_path, "bad-1.0", b"idec = p:A\n", metadata=metadata)
    assert find(tmp_path) == ((), ())


def test_a_damaged_metadata_file_does_not_matter(tmp_path: Path) -> None:
    """Invalid UTF-8 in METADATA hides neither the parts of its package nor those of others."""
    info = install(tmp_path, "other-1.0", b"[decda.heads]\ndec = p:A\n[x]\ny\n")
    (info / "METADATA").write_bytes(b"Name: \xff\xfe\n")
    install(tmp_path, "good-1.0", GOOD)
    assert [entry.qualified for entry in find(tmp_path).entries] == ["other:dec", "good:idec"]


@pytest.mark.parametrize(
    "content",
    [
        "[decda.heads]\ndec = p:A\n  idec = p:B\n",
        "[console_scripts]\nrun = a:b\n  [decda.heads]\n  dec = p:A\n  idec = p:B\n",
        "[decda.heads]\ndec = p:A\n[other]\nx = 1\n[decda.heads]\nidec = p : B\n",
        "[console_scripts]\nrun = a\nrun = b\n[decda.heads]\ndec = p:A\nidec=p:B\n",
        "; comment\n[decda.heads]\r\n# dec = q:Z\r\ndec = p:A\r\n; more\nidec = p:B",
        "[decda.heads]\ndec = p:A\nidec = p:B\n[DEFAULT]\ndcn = p:C\n",
    ],
)
def test_odd_but_clear_files_are_understood(tmp_path: Path, content: str) -> None:
    """Indented lines, repeated sections, comments and defects in other sections neither hide nor add parts."""
    install(tmp_path, "p-1.0", content)
    expected = (Entry("head", "dec", "p", "1.0", "p", "A"), Entry("head", "idec", "p", "1.0", "p", "B"))
    assert find(tmp_path) == (expected, ())


@pytest.mark.parametrize("second", [GOOD.replace("IDEC", "Old"), MALFORMED["no header"] + GOOD.encode()])
def test_the_first_copy_on_the_path_wins(tmp_path: Path, second: str | bytes) -> None:
    """If a package is in two folders, the first one counts, even if its name is spelled differently."""
    install(tmp_path / "a", "My.Pkg-2.0", GOOD)
    install(tmp_path / "b", "my_pkg-1.0", second)
    (entry,), problems = find(tmp_path / "a", tmp_path / "b")
    assert (entry.package, entry.version, entry.attribute) == ("my-pkg", "2.0", "IDEC")
    assert problems == ()


@pytest.mark.parametrize("malformed", [False, True])
def test_the_first_copy_wins_even_without_entry_points(tmp_path: Path, malformed: bool) -> None:
    """A first copy without parts hides a later one with parts, because Python imports the first."""
    install(tmp_path / "a", "my_pkg-2.0")
    install(tmp_path / "b", "My.Pkg-1.0", GOOD)
    if malformed:
        install(tmp_path / "b", "aaa-1.0", MALFORMED["no header"])
    assert find(tmp_path / "a", tmp_path / "b") == ((), ())
    assert len(find(tmp_path / "b", tmp_path / "a").entries) == 1


def test_a_plain_egg_info_file_counts_as_a_copy(tmp_path: Path) -> None:
    """A distribution whose metadata is a single file, as written by distutils, hides later copies, too."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "good-0.9.egg-info").write_text("Name: good\nVersion: 0.9\n")
    install(tmp_path / "b", "good-1.0", GOOD)
    assert find(tmp_path / "a", tmp_path / "b") == ((), ())


@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}/../site"])
def test_a_repeated_folder_is_read_once(tmp_path: Path, spelling: str) -> None:
    """A folder that is on the path twice does not make its parts ambiguous."""
    install(tmp_path / "site", "good-1.0", GOOD)
    folder = str(tmp_path / "site")
    assert discover([folder, spelling.format(folder), folder]) == ((GOOD_ENTRY,), ())


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("malformed", [False, True])
def test_the_newest_complete_version_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reverse: bool, malformed: bool
) -> None:
    """Of several versions in one folder, left by a failed uninstall, only the newest complete one counts."""
    install(tmp_path, "good-9.0", GOOD.replace("IDEC", "Old"))
    install(tmp_path, "good-10.0", GOOD)
    install(tmp_path, "good-11.0", GOOD.replace("IDEC", "Gone"), metadata=None)
    install(tmp_path, "~ood-12.0", GOOD.replace("IDEC", "Half"))
    if malformed:
        install(tmp_path, "aaa-1.0", MALFORMED["no header"])
    shuffle(monkeypatch, reverse)
    (entry,), _ = find(tmp_path)
    assert (entry.package, entry.version, entry.attribute) == ("good", "10.0", "IDEC")


@pytest.mark.parametrize("reverse", [False, True])
def test_the_choice_of_two_equal_copies_is_deterministic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reverse: bool
) -> None:
    """Two spellings of one version in a folder are one package, and the same copy counts in any listing order."""
    install(tmp_path, "My.Pkg-1.0", GOOD.replace("IDEC", "Old"))
    install(tmp_path, "my_pkg-1.0", GOOD)
    shuffle(monkeypatch, reverse)
    assert [entry.attribute for entry in find(tmp_path).entries] == ["IDEC"]


def shuffle(monkeypatch: pytest.MonkeyPatch, reverse: bool) -> None:
    """Simulate a file system that lists folders in sorted or in reverse order."""
    scandir, listdir = os.scandir, os.listdir

    class Listing:
        def __init__(self, path: str) -> None:
            with scandir(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=reverse)

        def __enter__(self) -> "Listing":
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def __iter__(self):
            return iter(self.entries)

    monkeypatch.setattr(os, "scandir", Listing)
    monkeypatch.setattr(os, "listdir", lambda path: sorted(listdir(path), reverse=reverse))


def test_the_result_does_not_depend_on_the_listing_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries and problems are sorted, whatever the order in which a folder is listed."""
    for name, kind in itertools.product(("bbb", "aaa", "ccc"), ("heads", "encoders")):
        install(tmp_path / kind, f"{name}-1.0", f"[decda.{kind}]\nz = p:A\na = p:B\n[decda.wrong]\nx = p:C\n")
    answers = []
    for reverse in (False, True):
        with monkeypatch.context() as patch:
            shuffle(patch, reverse)
            answers.append(find(tmp_path / "heads"))
    assert answers[0] == answers[1]
    assert [entry.qualified for entry in answers[0].entries] == ["aaa:a", "bbb:a", "ccc:a", "aaa:z", "bbb:z", "ccc:z"]
    assert [problem.package for problem in answers[0].problems] == ["aaa", "bbb", "ccc"]


def test_discovery_never_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Discovery works whatever is on the path."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "broken.zip").write_bytes(b"PK\x05\x06" + b"\x00" * 30)
    (tmp_path / "empty.egg").mkdir()
    (tmp_path / "site").mkdir()
    for name in (".dist-info", "-.dist-info", "a-1.dist-info", "x\udcff-1.0.dist-info"):
        (tmp_path / "site" / name / "entry_points.txt").mkdir(parents=True)
    (tmp_path / "site" / "link-1.0.dist-info").symlink_to(tmp_path / "nowhere")
    install(tmp_path / "here", "good-1.0", GOOD)
    monkeypatch.chdir(tmp_path / "here")
    names = ["nowhere", "file", "broken.zip", "empty.egg", "site"]
    odd = [None, 3, b"bytes", tmp_path, "\0", "\udcff", "a" * 5000, *(str(tmp_path / name) for name in names), ""]
    assert discover(odd) == ((GOOD_ENTRY,), ())


def test_a_current_folder_that_is_gone_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty item of the path means the current folder, which may have been deleted."""
    (tmp_path / "gone").mkdir()
    install(tmp_path, "good-1.0", GOOD)
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert discover(["", str(tmp_path)]) == ((GOOD_ENTRY,), ())


@pytest.mark.parametrize(
    ("stem", "version"), [("good-1.0-py3.11", "1.0"), ("good", "9"), ("good-1.0", "1.0"), ("GOOD-1.0+cpu", "1.0+cpu")]
)
def test_egg_info_folders_are_read(tmp_path: Path, stem: str, version: str) -> None:
    """Parts of a package that was installed with egg-info metadata have its name and version."""
    install(tmp_path, stem, GOOD, suffix=".egg-info")
    (entry,), problems = find(tmp_path)
    assert (entry.qualified, entry.version, problems) == ("good:idec", version, ())


@pytest.mark.parametrize("text", [GOOD, "x\n" + GOOD])
@pytest.mark.parametrize(
    ("archive", "inside"), [("parts.zip", "good-1.0.dist-info"), ("good-1.0-py3.11.egg", "EGG-INFO")]
)
def test_zip_files_and_eggs_are_read(tmp_path: Path, archive: str, inside: str, text: str) -> None:
    """Parts in a zip file or a zipped egg on the path are found, even if a defect must be reported."""
    with zipfile.ZipFile(tmp_path / archive, "w") as packed:
        packed.writestr(f"{inside}/entry_points.txt", text)
    entries, problems = find(tmp_path / archive)
    assert entries == (GOOD_ENTRY,)
    assert len(problems) == (text != GOOD)


def test_a_distribution_that_cannot_be_read_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error while reading a plugin's metadata is reported as its problem, and other parts stay."""
    import importlib.metadata

    install(tmp_path, "decda_bad-1.0", MALFORMED["no header"])
    install(tmp_path, "good-1.0", GOOD)
    read = importlib.metadata.PathDistribution.read_text

    def fail(self: importlib.metadata.PathDistribution, name: str) -> str | None:
        if "decda_bad" in str(self._path):
            raise OSError("the disk is on fire")
        return read(self, name)

    monkeypatch.setattr(importlib.metadata.PathDistribution, "read_text", fail)
    entries, (problem,) = find(tmp_path)
    assert entries == (GOOD_ENTRY,)
    assert "the disk is on fire" in problem.reason
