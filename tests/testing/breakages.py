"""Shared by the tests of the rules: parts that break a rule, and the messages that this must cause."""

from collections.abc import Callable
from typing import Any, NamedTuple

from decda.core.files import Files
from decda.testing.rules import Subject
from decda.testing.suite import RULES, try_all


class Breakage(NamedTuple):
    """A part that breaks a rule.

    Attributes:
        rule: the rule that must catch it.
        factory: the factory of the part.
        seen: text that the message must contain.
    """

    rule: str
    factory: Callable[..., Any]
    seen: str


def failures(kind: str, factory: Callable[..., Any], files: Files | None = None, **parameters: Any) -> dict[str, str]:
    """The observation of each broken rule, by the rule's name."""
    subject = Subject(kind, "the part", factory, parameters, files or Files(offline=True))
    outcomes = list(try_all(subject))
    assert [outcome.rule for outcome in outcomes] == list(RULES[kind])
    return {outcome.rule.name: outcome.seen for outcome in outcomes if outcome.status == "failed"}
