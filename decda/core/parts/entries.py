"""What a registered part is: kinds, the groups of entry points that fill them, and an entry as metadata give it."""

import re
from dataclasses import dataclass

API_VERSION = 2
"""The version of `decda.core.contracts`; kept here because that module imports torch, which finding parts must not."""

KINDS = ("encoder", "head", "augment", "dataset", "recipe")
GROUPS = {
    "encoder": "decda.encoders",
    "head": "decda.heads",
    "augment": "decda.augmentations",
    "dataset": "decda.datasets",
    "recipe": "decda.recipes",
}


@dataclass(frozen=True, order=True)
class Entry:
    """A part that a package names in its metadata.

    Attributes:
        kind: one of `KINDS`.
        name: the name users type.
        package: the distribution, normalised (`My.Pkg` is `my-pkg`).
        version: of the distribution.
        module: where the part lives.
        attribute: the object in the module, dotted where it is nested, "" where none is named.
        problem: why the part cannot be used, where the metadata alone show it.
    """

    kind: str
    name: str
    package: str
    version: str
    module: str
    attribute: str
    problem: str | None = None

    @property
    def owner(self) -> str:
        """The package and its version, as messages name them; of a part added by hand `local` alone."""
        return f"{self.package} {self.version}".strip()

    @property
    def qualified(self) -> str:
        """`package:name`, which means this part alone, whatever else is installed."""
        return f"{self.package}:{self.name}"


@dataclass(frozen=True, order=True)
class Problem:
    """A defect of a package's file that cannot be pinned to a part: parts may be missing from the list."""

    package: str
    version: str
    file: str
    reason: str


def normalise(package: str) -> str:
    """The one spelling of a distribution's name (PEP 503): `My.Pkg`, `my_pkg` and `my-pkg` are `my-pkg`."""
    return re.sub(r"[-_.]+", "-", package).lower()
