"""The output of `decda check`."""

import pytest

from decda.console.checks import print_checks

RULES = [
    {"rule": "signature", "demand": "it has one", "status": "passed", "seen": ""},
    {"rule": "stdout", "demand": "it is quiet", "status": "failed", "seen": "it says '[bold]hello[/nothing]'"},
    {"rule": "labels", "demand": "there are some", "status": "skipped", "seen": "there are none"},
]
PART = {"kind": "head", "name": "mine", "package": "pkg", "version": "1.0", "rules": RULES}


def test_a_row_per_rule_and_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    """Each rule has a row with the observation verbatim below it, and the last line counts the results."""
    print_checks([PART], [])
    out, err = capsys.readouterr()
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines == [
        "head mine  pkg 1.0",
        "  signature  passed   it has one",
        "  stdout     failed   it is quiet",
        "                      it says '[bold]hello[/nothing]'",
        "  labels     skipped  there are some",
        "                      there are none",
        "",
        "1 passed, 1 failed, 1 skipped",
    ]
    assert err == ""


def test_problems_without_a_part(capsys: pytest.CaptureFixture[str]) -> None:
    """Defects in the metadata of the package are printed even if there is no part."""
    print_checks([], ["the group [decda.head] is none of decda's"])
    assert capsys.readouterr().out.startswith("Parts may be missing: the group [decda.head] is none of decda's\n")
