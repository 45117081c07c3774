"""What a rule is, how it is tried on a part, and how a violation is reported."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from traceback import walk_tb
from typing import Any, Literal

import torch

import decda
from decda.core.errors import in_a_line
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.random_keys import derive_seed
from decda.testing.generators import global_generators_kept

Status = Literal["passed", "failed", "skipped"]
_HOME = Path(decda.__file__).parent
FRAMEWORK_FOLDERS = tuple(str(place) for place in (_HOME / "core", _HOME / "testing", Path(torch.__file__).parent))
"""Folders of decda's core, the kit and PyTorch. An error is reported with the innermost line outside of them."""


class Violation(Exception):
    """A part violates the rule that is being tried; the message says what was seen."""


class Skipped(Exception):
    """The rule cannot be tried on this part; the message says why."""


@dataclass(frozen=True)
class Subject:
    """A part under test.

    Attributes:
        kind: `encoder`, `head`, `augment`, `dataset`, `start`, `recipe` or `listener`.
        owner: how messages refer to the part: `"head 'idec' (decda 0.1.0)"`.
        factory: the class or function; for a recipe, its qualified name.
        parameters: values of some of its parameters; the others keep their defaults.
        files: where a data set finds its files.
        registry: where a recipe finds its parts.
    """

    kind: str
    owner: str
    factory: Any
    parameters: Mapping[str, Any] = field(default_factory=dict)
    files: Files = field(default_factory=Files)
    registry: Registry = field(default_factory=Registry)

    def make(self, seed: int = 0, **supplied: Any) -> Any:
        """Build the part as assembly does: by keyword, with torch's global generator seeded.

        Args:
            seed: seed of the global generator while the part is built.
            supplied: what assembly supplies, such as `input_shape`.

        Returns:
            What the factory returns.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive_seed(seed, self.kind))
            return self.factory(**supplied, **self.parameters)


@dataclass(frozen=True)
class Rule:
    """One requirement on a part.

    Attributes:
        name: a word or two: `"batch of one"`.
        demand: the statement that must be true.
        check: raises `Violation` if it is not; any other exception counts as a violation, too.
        basic: whether no later rule can be tried if this one is violated, because there is no usable part then.
    """

    name: str
    demand: str
    check: Callable[[Subject], None]
    basic: bool = False


@dataclass(frozen=True)
class Outcome:
    """The result of trying a rule on a part.

    Attributes:
        rule: the rule.
        owner: how messages refer to the part.
        status: `skipped` if the rule could not be tried for reasons that are not the part's fault.
        seen: what was seen if the rule failed, why it was skipped, or "".
    """

    rule: Rule
    owner: str
    status: Status
    seen: str = ""

    def __str__(self) -> str:
        return f"{self.owner} breaks the rule '{self.rule.name}' ({self.rule.demand}): {self.seen}"


def try_rule(rule: Rule, subject: Subject) -> Outcome:
    """Try a rule on a part. No exception of the part escapes, and the global generators are restored.

    Args:
        rule: the rule to try.
        subject: the part under test.

    Returns:
        Whether the rule passed, failed or was skipped, and what was seen.
    """
    try:
        with global_generators_kept():
            rule.check(subject)
    except Violation as violation:
        return Outcome(rule, subject.owner, "failed", str(violation))
    except Skipped as skipped:
        return Outcome(rule, subject.owner, "skipped", str(skipped))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin's code may raise anything
        return Outcome(rule, subject.owner, "failed", describe(error))
    return Outcome(rule, subject.owner, "passed")


def require(condition: bool, seen: str) -> None:
    """Require that a condition holds.

    Args:
        condition: must be true.
        seen: what the violation reports.

    Raises:
        Violation: the condition is false.

    Example:
        >>> require(1 + 1 == 2, "arithmetic is broken")
    """
    if not condition:
        raise Violation(seen)


def describe(error: BaseException) -> str:
    """Describe an exception in one line, with the innermost line of the part's own code.

    Args:
        error: the exception, with its traceback.

    Returns:
        Its type, message, file and line number.
    """
    where = ""
    for frame, line in walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if not file.startswith(FRAMEWORK_FOLDERS):
            where = f" ({Path(file).name}, line {line})"
    return f"{in_a_line(error)}{where}"
