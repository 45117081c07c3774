"""Which strangers' packages the user has switched off, by the environment, which every process of a run shares."""

import os

from decda.core.parts.discovery import normalise

VARIABLE = "DECDA_DISABLE_PLUGINS"
"""Names of packages, separated by commas; `*` means all but decda."""
ALL = "*"
OURS = "decda"


def switch_off_all() -> None:
    """Switch off every package but decda, in this process and in those it starts."""
    os.environ[VARIABLE] = ALL


def is_switched_off(package: str) -> bool:
    """Whether a package's parts are to be left out; decda's own never are.

    Args:
        package: its name, normalised.
    """
    names = [name.strip() for name in os.environ.get(VARIABLE, "").split(",")]
    return package != OURS and (ALL in names or package in map(normalise, names))
