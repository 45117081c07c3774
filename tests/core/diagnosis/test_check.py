"""What a check says of the whole."""

import pytest

from decda.core.diagnosis.check import ABSENT, BROKEN, OK, WARNING, Check, is_sound


@pytest.mark.parametrize(("status", "sound"), [(OK, True), (ABSENT, True), (WARNING, True), (BROKEN, False)])
def test_only_what_is_broken_counts(status: str, sound: bool) -> None:
    """decda works unless something that it needs is broken."""
    assert is_sound([Check("data", "a", OK, "", ""), Check("data", "b", status, "", "")]) is sound


def test_as_json() -> None:
    """A mapping holds every field by its name."""
    assert Check("data", "usps", ABSENT, "not here", "it is missing", "find it").as_mapping() == {
        "topic": "data",
        "name": "usps",
        "status": "absent",
        "found": "not here",
        "means": "it is missing",
        "remedy": "find it",
    }
