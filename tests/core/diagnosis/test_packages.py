"""The parts of each package, imported for a test."""

from pathlib import Path

import pytest

from decda.core.diagnosis.check import Check
from decda.core.diagnosis.packages import check_parts, count_kinds
from decda.core.parts.registry import Registry
from tests.conftest import install

HEAD = "from decda.plugins.heads.dec import DEC\n\nclass Head(DEC):\n    '''A head.'''\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages, which is on the path."""
    monkeypatch.delenv("DECDA_DISABLE_PLUGINS", raising=False)
    monkeypatch.syspath_prepend(tmp_path / "site")
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


def found(site: Path, registry: Registry) -> dict[str, Check]:
    """The checks of what is in the folder, beside decda's own parts."""
    others = Registry.discover([str(site)])
    both = Registry([*registry, *others], others.problems, others.switched_off)
    checks = check_parts(both)
    assert len({check.name for check in checks}) == len(checks)
    return {check.name: check for check in checks}


def test_decda_alone(registry: Registry) -> None:
    """All of decda's own parts can be used, and are counted by kind."""
    (check,) = check_parts(registry)
    assert check.status == "ok"
    assert check.name.startswith("decda ")
    assert check.found.startswith("2 encoders, 3 heads, ")
    assert check.means == "all of them can be used"


def test_a_part_of_another_package_is_broken(site: Path, registry: Registry) -> None:
    """It is a warning with the reason, and says how to leave out the package; its other parts can be used."""
    install(site, "mixed", "[decda.heads]\ngone = nowhere_at_all:Head\nfine = diagnosed_mixed:Head\n")
    (site / "diagnosed_mixed.py").write_text(HEAD)
    checks = found(site, registry)
    assert (checks["mixed 1.0"].status, checks["mixed 1.0"].means) == ("ok", "1 of 2 can be used")
    broken = checks["head gone"]
    assert broken.status == "warning"
    assert "there is no module 'nowhere_at_all'" in broken.means
    assert "DECDA_DISABLE_PLUGINS=mixed" in broken.remedy


def test_a_part_of_decda_is_broken(registry: Registry) -> None:
    """Where one of decda's own parts cannot be used, decda is broken."""
    entries = [
        type(entry)(**{**vars(entry), "module": "decda.gone"}) if entry.name == "idec" else entry for entry in registry
    ]
    checks = {check.name: check for check in check_parts(Registry(entries))}
    assert checks["head idec"].status == "broken"
    assert checks["head idec"].remedy == "Install decda again: in its folder, python -m pip install ."


def test_decda_has_no_parts() -> None:
    """Without any part of its own decda is broken."""
    (check,) = check_parts(Registry())
    assert (check.status, check.found) == ("broken", "no parts")


def test_names_that_are_not_clear(site: Path, registry: Registry) -> None:
    """A name that two packages give is one warning, which says how to pick one."""
    install(site, "twin", "[decda.heads]\ndec = diagnosed_twin:Head\n")
    (site / "diagnosed_twin.py").write_text(HEAD)
    check = found(site, registry)["head dec"]
    assert check.status == "warning"
    assert "Pick one: decda:dec or twin:dec." in check.remedy


def test_defects_of_metadata_and_what_is_switched_off(
    site: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect that cannot be attributed to a part is a warning; what the user has switched off is absent."""
    install(site, "typo", "[decda.haeds]\nx = y:z\n")
    install(site, "quiet", "[decda.heads]\nx = nowhere_at_all:Head\n")
    monkeypatch.setenv("DECDA_DISABLE_PLUGINS", "quiet")
    checks = found(site, registry)
    assert (checks["typo"].status, checks["quiet"].status) == ("warning", "absent")
    assert "Did you mean 'decda.heads'?" in checks["typo"].means
    assert "head x" not in checks


def test_parts_are_counted_in_order() -> None:
    """One is a part, several are parts, and kinds of which there are none are left out."""
    assert count_kinds(["recipe", "augment", "augment", "encoder"]) == "1 encoder, 2 augmentations, 1 recipe"
