"""What a part does wrong, rule by rule: how tests know that a rule can fail, and that its message helps."""

from collections.abc import Callable
from typing import Any, NamedTuple

from decda.core.files import Files
from decda.testing.rules import Subject
from decda.testing.suite import RULES, try_all


class Breakage(NamedTuple):
    """A part that breaks a rule.

    Attributes:
        rule: that must catch it.
        factory: of the part.
        seen: words that the message must hold.
    """

    rule: str
    factory: Callable[..., Any]
    seen: str


def failures(kind: str, factory: Callable[..., Any], files: Files | None = None, **parameters: Any) -> dict[str, str]:
    """What each broken rule saw, by its name."""
    subject = Subject(kind, "the part", factory, parameters, files or Files(offline=True))
    outcomes = list(try_all(subject))
    assert [outcome.rule for outcome in outcomes] == list(RULES[kind])
    return {outcome.rule.name: outcome.seen for outcome in outcomes if outcome.status == "failed"}
