"""Everything that is looked at, topic by topic."""

from pathlib import Path

import pytest

from decda.core.diagnosis import examination
from decda.core.diagnosis.check import BROKEN, Check
from decda.core.diagnosis.examination import examine
from decda.core.errors import DataError
from decda.core.parts.registry import Registry


def test_all_topics(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each topic comes as a whole, in this order, and all that is needed is in place."""
    monkeypatch.chdir(tmp_path)
    topics = list(examine(registry, tmp_path))
    names = ["software", "extras", "machine", "parts", "data", "folders"]
    assert [{check.topic for check in topic} for topic in topics] == [{name} for name in names]
    assert all(check.status != BROKEN for topic in topics for check in topic)
    assert {"data root", "downloads", "digits", "mnist"} <= {check.name for check in topics[4]}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "sound"), [("numpy", False), ("filelock", True)])
def test_a_library_is_broken(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, sound: bool
) -> None:
    """Where a library is broken that parts import, neither parts nor data sets are looked at; all else is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(examination, "check_software", lambda: [Check("software", name, BROKEN, "", "")])
    topics = list(examine(registry, tmp_path))
    names = [topic[0].topic for topic in topics]
    assert names == ["software", "extras", "machine", *(["parts"] if sound else []), "data", "folders"]
    checks = {check.name for topic in topics for check in topic}
    assert ("bfloat16" in checks, "digits" in checks) == (sound, sound)


def test_a_data_root_that_cannot_be(registry: Registry) -> None:
    """A data root that no user has is an error before anything is looked at."""
    with pytest.raises(DataError, match="~nobody-here"):
        next(examine(registry, Path("~nobody-here/data")))
