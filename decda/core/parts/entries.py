"""The kinds of parts, the groups of entry points that register them, and a part as package metadata describes it."""

import re
from dataclasses import dataclass

API_VERSION = 3
"""The version of `decda.core.contracts`, kept here because that module imports torch, which discovery must not."""

KINDS = ("encoder", "head", "augment", "dataset", "start", "recipe", "listener")
GROUPS = {
    "encoder": "decda.encoders",
    "head": "decda.heads",
    "augment": "decda.augmentations",
    "dataset": "decda.datasets",
    "start": "decda.starts",
    "recipe": "decda.recipes",
    "listener": "decda.listeners",
}
"""The group of entry points of each kind."""
PLUS = "+"
"""Between the links of a chain of augmentations."""


@dataclass(frozen=True, order=True)
class Entry:
    """A part that a package registers in its metadata.

    Attributes:
        kind: one of `KINDS`.
        name: the name that users type.
        package: normalised name of the distribution (`My.Pkg` is `my-pkg`).
        version: version of the distribution.
        module: the module that defines the part.
        attribute: the object in that module, dotted if it is nested; "" if none is given.
        problem: why the part cannot be used, if the metadata alone show it.
        links: of a chain of parts, their entries in order; package and version then join theirs, where they differ.
    """

    kind: str
    name: str
    package: str
    version: str
    module: str
    attribute: str
    problem: str | None = None
    links: tuple["Entry", ...] = ()

    @property
    def owner(self) -> str:
        """Package and version, as shown in messages; just `local` for a part that was added by hand."""
        if self.links:
            return " + ".join(dict.fromkeys(link.owner for link in self.links))
        return f"{self.package} {self.version}".strip()

    @property
    def qualified(self) -> str:
        """The name `package:name`, which is unambiguous whatever else is installed."""
        return PLUS.join(link.qualified for link in self.links) or f"{self.package}:{self.name}"


@dataclass(frozen=True, order=True)
class Problem:
    """A defect in the metadata of a package that cannot be attributed to a part; parts of it may be missing.

    Attributes:
        package: normalised name of the distribution.
        version: version of the distribution.
        file: path of the damaged file.
        reason: what is wrong with it.
    """

    package: str
    version: str
    file: str
    reason: str


def normalise(package: str) -> str:
    """Normalise the name of a distribution (PEP 503).

    Args:
        package: the name in any spelling.

    Returns:
        The name in lower case, with runs of `-`, `_` and `.` replaced by `-`.

    Example:
        >>> normalise("My_Pkg")
        'my-pkg'
    """
    return re.sub(r"[-_.]+", "-", package).lower()
