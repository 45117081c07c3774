"""Every rule of the kit can fail, and reports what it has found."""

import pytest

from decda.testing.suite import RULES
from tests.testing import test_augmentation, test_autoencoder, test_dataset, test_head
from tests.testing.breakages import Breakage, failures

BREAKAGES = {
    "augment": test_augmentation.BREAKAGES,
    "dataset": test_dataset.BREAKAGES,
    "encoder": test_autoencoder.BREAKAGES,
    "head": test_head.BREAKAGES,
}
CASES = [
    pytest.param(kind, breakage, id=f"{kind}-{breakage.rule}-{breakage.factory.__name__}")
    for kind, breakages in BREAKAGES.items()
    for breakage in breakages
]


@pytest.mark.parametrize(("kind", "breakage"), CASES)
def test_a_part_that_breaks_a_rule_is_caught(kind: str, breakage: Breakage) -> None:
    """The rule fails, and its message states what it has found."""
    seen = failures(kind, breakage.factory)
    assert breakage.rule in seen, f"caught by {seen} alone"
    assert breakage.seen in seen[breakage.rule]


@pytest.mark.parametrize("kind", BREAKAGES)
def test_no_rule_is_left_out(kind: str) -> None:
    """There is a part that breaks it for every rule."""
    assert {breakage.rule for breakage in BREAKAGES[kind]} == {rule.name for rule in RULES[kind]}
