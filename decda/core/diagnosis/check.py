"""One thing that was looked at: what was found, what that means, and what to do."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

OK, ABSENT, WARNING, BROKEN = "ok", "absent", "warning", "broken"
"""In place; not there, and not needed; something does not work; decda does not work."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        topic: what it belongs to: `software`, `extras`, `machine`, `parts`, `data` or `folders`.
        name: of the thing.
        status: `ok`, `absent` (it is not there, and decda does without), `warning` or `broken` (decda needs it).
        found: a version, a path, a number.
        means: what that means for runs.
        remedy: what to do about it, or how to have it; "" where there is nothing to do.
    """

    topic: str
    name: str
    status: str
    found: str
    means: str
    remedy: str = ""

    def as_mapping(self) -> dict[str, Any]:
        """What `decda doctor --json` prints of it."""
        return asdict(self)


def is_sound(checks: Iterable[Check]) -> bool:
    """Whether decda works.

    Args:
        checks: all of them.

    Returns:
        False if one is broken.

    Example:
        >>> is_sound([Check("machine", "GPU", ABSENT, "none", "runs use the processor")])
        True
    """
    return all(check.status != BROKEN for check in checks)
