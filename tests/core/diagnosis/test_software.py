"""Whether the packages that decda stands on are there, new enough, and can be imported."""

import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

import decda
from decda.core.diagnosis import software
from decda.core.diagnosis.check import Check
from decda.core.diagnosis.software import EXTRAS, LIBRARIES, check_extras, check_software, is_within

VERSIONS = {"decda": decda.__version__, "torch": "2.13.0+cpu", "kornia": "0.9", "numpy": "2.1", "scikit-learn": "1.5.2"}
REQUIRES = ["torch>=2.10", "kornia>=0.9", "numpy>=2.0", "scikit-learn>=1.5", "entrypoints<0.5,>=0.4"]
EXTRA = ['umap-learn>=0.5.7; extra == "umap"', 'decda[onnx]; extra == "test"', 'atheris (>=2.3) ; extra == "fuzz"']


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is installed, which a test may change; at first all that decda requires."""
    known = {**VERSIONS, "entrypoints": "0.4"}

    def version(name: str) -> str:
        if name not in known:
            raise PackageNotFoundError(name)
        return known[name]

    def requires(name: str) -> list[str]:
        version(name)
        return [*REQUIRES, *EXTRA]

    monkeypatch.setattr(software, "version", version)
    monkeypatch.setattr(software, "requires", requires)
    return known


def by_name(checks: Any) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_what_is_in_place() -> None:
    """Here all that decda requires is in place; the best-known packages are named with their versions."""
    checks = by_name(check_software())
    assert list(checks) == ["decda", "Python", *LIBRARIES, "others"]
    assert {check.status for check in checks.values()} == {"ok"}
    assert checks["decda"].found == decda.__version__
    assert str(Path(decda.__file__).parent) in checks["decda"].means
    assert checks["numpy"].found == sys.modules["numpy"].__version__


def test_a_package_is_missing(versions: dict[str, str]) -> None:
    """What decda requires and is not installed is broken, whether it is well known or not, and can be installed."""
    del versions["torch"], versions["entrypoints"]
    checks = by_name(check_software())
    for name, install in (("torch", '"torch>=2.10"'), ("entrypoints", '"entrypoints<0.5,>=0.4"')):
        assert (checks[name].status, checks[name].found) == ("broken", "not installed")
        assert checks[name].remedy == f"python -m pip install {install}"
    assert "others" not in checks
    assert "atheris" not in checks


@pytest.mark.parametrize(("name", "found"), [("numpy", "1.26.4"), ("entrypoints", "0.5.0"), ("scikit-learn", "1.4.99")])
def test_a_package_of_another_version(versions: dict[str, str], name: str, found: str) -> None:
    """What is older or newer than decda requires is broken, and it is said what is required."""
    versions[name] = found
    check = by_name(check_software())[name]
    assert (check.status, check.found) == ("broken", found)
    assert "decda requires" in check.means


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise OSError('libgomp.so.1: cannot open')", "OSError: libgomp.so.1"),
        ("import nowhere_at_all", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_package_that_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, versions: dict[str, str], code: str, told: str
) -> None:
    """Whatever an import raises is told, and installing it again is advised."""
    (tmp_path / "hopeless.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(LIBRARIES, "torch", ("hopeless", "trains the networks"))
    check = by_name(check_software())["torch"]
    assert check.status == "broken"
    assert f"it cannot be imported: {told}" in check.means
    assert check.remedy == 'python -m pip install "torch>=2.10" --force-reinstall'


def test_decda_is_not_installed(versions: dict[str, str]) -> None:
    """A folder of sources alone has no parts, which is said; the best-known packages are still looked at."""
    del versions["decda"]
    checks = by_name(check_software())
    assert checks["decda"].status == "broken"
    assert "its own parts are not found" in checks["decda"].means
    assert checks["torch"].status == "ok"


def test_decda_was_installed_before_it_was_updated(versions: dict[str, str]) -> None:
    """Where the installer knows another version, parts may be missing, and installing again helps."""
    versions["decda"] = "0.0.1"
    check = by_name(check_software())["decda"]
    assert (check.status, check.found) == ("warning", decda.__version__)
    assert "when it was 0.0.1" in check.means


def test_extras(versions: dict[str, str]) -> None:
    """Packages that decda does without are there, absent or too old; none is imported, and each says what it is for."""
    versions |= {"umap-learn": "0.5.6", "onnx": "1.17"}
    checks = by_name(check_extras())
    assert list(checks) == list(EXTRAS)
    assert {name: check.status for name, check in checks.items() if check.status != "absent"} == {
        "umap-learn": "warning",
        "onnx": "ok",
    }
    assert checks["umap-learn"].remedy == 'python -m pip install "umap-learn>=0.5.7"'
    assert checks["distributed"].remedy == "python -m pip install distributed"
    assert all(check.means.startswith("for ") for check in checks.values())


@pytest.mark.parametrize(
    ("found", "limits", "within"),
    [
        ("2.10.0", ">=2.10", True),
        ("2.9", ">=2.10", False),
        ("3", ">=3.0.0", True),
        ("3.0.0.post1", ">=3", True),
        ("0.4.9", ">=0.4,<0.5", True),
        ("0.5", "<0.5,>=0.4", False),
        ("1.0", "", True),
        ("unknown", ">=1", False),
    ],
)
def test_versions_are_compared_by_number(found: str, limits: str, within: bool) -> None:
    """2.10 is newer than 2.9, 3 is as new as 3.0.0, and what cannot be read as a version is too old."""
    assert is_within(found, limits) is within
