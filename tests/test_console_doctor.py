"""What `decda doctor` shows."""

import io

import pytest
from rich.console import Console

from decda.console.doctor import print_topic, print_verdict
from decda.core.diagnosis.check import ABSENT, BROKEN, OK, WARNING, Check

FINE = Check("data", "usps", OK, "/data/usps", "9,298 images, complete and verified")
ODD = Check("data", "mnist", WARNING, "cannot be used", "a file is damaged", "Replace it")


def lines(*checks: Check, width: int = 80) -> list[str]:
    """What is printed on a terminal, without colours."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    print_topic(checks, console)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_a_topic() -> None:
    """Its title, then a row for each check: status, name, what was found and what that means; below, what to do."""
    assert lines(FINE, ODD) == [
        "Data",
        "  ok       usps             /data/usps: 9,298 images, complete and verified",
        "  warning  mnist            cannot be used: a file is damaged",
        "                            Replace it",
        "",
    ]


def test_no_topic() -> None:
    """A topic without checks has no title."""
    assert lines() == []


@pytest.mark.parametrize("width", [60, 80, 120])
def test_long_texts(width: int) -> None:
    """Nothing is lost where the terminal is narrow, and no line is longer than it."""
    shown = lines(Check("parts", "head " + "x" * 40, WARNING, "y" * 70, "word " * 40, "z" * 70), width=width)
    assert max(map(len, shown)) <= width
    for letter, count in (("x", 40), ("y", 70), ("z", 70)):
        assert sum(line.count(letter) for line in shown) == count


def test_texts_are_harmless() -> None:
    """Markup and control characters of names, paths and errors are shown as they are."""
    shown = " ".join(lines(Check("data", "[b]x[/c]", OK, "a\x1b[31m\nb", "[/d]", "\r[e]"), width=120))
    assert "\x1b" not in shown
    for text in ("[b]x[/c]", r"a\x1b[31m\nb: [/d]", r"\r[e]"):
        assert text in shown


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        ((OK, ABSENT), ["All that decda needs is in place; what is absent, it does without."]),
        ((OK, WARNING), ["To look at: b.", "All that decda needs is in place; what is absent, it does without."]),
        ((BROKEN, WARNING), ["Broken, and needed: a.", "To look at: b."]),
    ],
)
def test_the_verdict(capsys: pytest.CaptureFixture[str], statuses: tuple[str, str], told: list[str]) -> None:
    """What is broken is named first, then what to look at; only where nothing is broken, all is in place."""
    print_verdict([Check("data", name, status, "", "") for name, status in zip("ab", statuses, strict=True)])
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == ("", told)
