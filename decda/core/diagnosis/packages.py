"""The parts of each package, every one of which is imported for a test."""

from collections import Counter
from collections.abc import Iterable, Sequence

from decda.core.config.listing import describe
from decda.core.diagnosis.check import ABSENT, BROKEN, OK, WARNING, Check
from decda.core.parts.discovery import DISABLE_VARIABLE, OWN_PACKAGE
from decda.core.parts.entries import GROUPS, KINDS, Entry
from decda.core.parts.registry import Registry


def check_parts(registry: Registry) -> list[Check]:
    """Check the parts of each package.

    Args:
        registry: all that are installed. Their code runs.

    Returns:
        A check for each package, decda first; for each part that cannot be used, each name that is not clear, and each
        defect in metadata.
    """
    owners: dict[str, list[Entry]] = {OWN_PACKAGE: []}
    for entry in registry:
        owners.setdefault(entry.package, []).append(entry)
    checks = []
    for package, entries in owners.items():
        checks += _package(package, entries, registry)
    checks += _ambiguous(registry)
    for problem in registry.problems:
        means = f"parts of it may be missing: {problem.reason} ({problem.file})"
        checks.append(Check("parts", problem.package, WARNING, problem.version, means, _remedy(problem.package)))
    for package in sorted({entry.package for entry in registry.switched_off}):
        means = f"its parts are left out, by {DISABLE_VARIABLE} or --no-plugins"
        checks.append(Check("parts", package, ABSENT, "switched off", means))
    return checks


def count_kinds(kinds: Iterable[str]) -> str:
    """How many parts there are of each kind.

    Args:
        kinds: of the parts, of `KINDS`.

    Returns:
        A list in the order of `KINDS`.

    Example:
        >>> count_kinds(["start", "head", "head"])
        '2 heads, 1 start'
    """
    counts = Counter(kinds)
    words = [
        f"{counts[kind]} {GROUPS[kind].removeprefix('decda.') if counts[kind] > 1 else kind}"
        for kind in KINDS
        if counts[kind]
    ]
    return ", ".join(words)


def _package(package: str, entries: Sequence[Entry], registry: Registry) -> list[Check]:
    """The check of a package, and those of its parts that cannot be used."""
    if not entries:
        means = "none of decda's own parts is registered, so that nothing can be trained"
        return [Check("parts", package, BROKEN, "no parts", means, "In its folder: python -m pip install .")]
    rows = [describe(registry, entry, load=True) for entry in entries]
    broken = [row for row in rows if row["status"] == "broken"]
    status = BROKEN if package == OWN_PACKAGE else WARNING
    found, n_usable = count_kinds(entry.kind for entry in entries), len(rows) - len(broken)
    means = f"{n_usable} of {len(rows)} can be used" if broken else "all of them can be used"
    checks = [Check("parts", f"{package} {entries[0].version}".strip(), OK if n_usable else status, found, means)]
    for row in broken:
        reason = row["error"].rpartition("cannot be used: ")[2]
        told = f"runs that name it fail: {reason}"
        name = f"{row['kind']} {row['name']}"
        checks.append(Check("parts", name, status, f"of {package}", told, _remedy(package)))
    return checks


def _ambiguous(registry: Registry) -> list[Check]:
    """A check for each name that several packages give to a part."""
    found = {}
    for entry in registry:
        status, told = registry.status(entry)
        if status == "ambiguous" and told:
            means = "runs that do not say which one they mean fail"
            name = f"{entry.kind} {entry.name}"
            found[name] = Check("parts", name, WARNING, "of several packages", means, told)
    return list(found.values())


def _remedy(package: str) -> str:
    if package == OWN_PACKAGE:
        return "Install decda again: in its folder, python -m pip install ."
    return f"python -m pip install --upgrade {package}, or leave it out: {DISABLE_VARIABLE}={package}"
