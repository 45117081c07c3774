"""Tries the rules on a class or function, or on everything that a package registers."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from decda.core.errors import DecdaError, UnknownComponent, did_you_mean
from decda.core.files import Files
from decda.core.parts.entries import Entry, normalise
from decda.core.parts.registry import Registry
from decda.testing import augmentation, autoencoder, dataset, head, listener, recipe, start
from decda.testing.rules import Outcome, Rule, Subject, try_rule

RULES: dict[str, tuple[Rule, ...]] = {
    "encoder": autoencoder.RULES,
    "head": head.RULES,
    "augment": augmentation.RULES,
    "dataset": dataset.RULES,
    "start": start.RULES,
    "recipe": recipe.RULES,
    "listener": listener.RULES,
}
"""The rules by kind of part, in the order in which they are tried."""


def check(kind: str, factory: Any, parameters: Mapping[str, Any], files: Files | None = None) -> None:
    """Try all rules of a kind on a class or function.

    Args:
        kind: `encoder`, `head`, `augment`, `dataset`, `start` or `listener`.
        factory: the class or function.
        parameters: values of some of its parameters; the others keep their defaults.
        files: where a data set finds its files; by default as on the command line.

    Raises:
        AssertionError: the part breaks at least one rule; one line per rule names the part, the rule and what was seen.
    """
    owner = f"{kind} {getattr(factory, '__name__', repr(factory))}"
    subject = Subject(kind, owner, factory, dict(parameters), files or Files())
    broken = [str(outcome) for outcome in try_all(subject) if outcome.status == "failed"]
    if broken:
        raise AssertionError("\n".join(broken))


def try_all(subject: Subject) -> Iterator[Outcome]:
    """Try all rules on a part; after a basic rule fails, the remaining ones are skipped.

    Args:
        subject: the part under test.

    Yields:
        The outcome of each rule of its kind.
    """
    broken = None
    for rule in RULES[subject.kind]:
        if broken is None:
            outcome = try_rule(rule, subject)
            broken = rule.name if rule.basic and outcome.status == "failed" else None
            yield outcome
        else:
            yield Outcome(rule, subject.owner, "skipped", f"not tried, because the rule '{broken}' is broken")


def subject_of(
    entry: Entry, registry: Registry, files: Files | None = None, parameters: Mapping[str, Any] | None = None
) -> Subject:
    """Load a registered part to try rules on it.

    Args:
        entry: the part.
        registry: the registry that it comes from.
        files: where a data set finds its files; by default as on the command line.
        parameters: values of some of its parameters; the others keep their defaults.

    Returns:
        The part under test.

    Raises:
        DecdaError: the part cannot be imported, or its signature violates the contract.
    """
    owner = f"{entry.kind} '{entry.name}' ({entry.owner})"
    factory = registry.load(entry).factory
    if entry.kind == "recipe":
        factory = entry.qualified
    return Subject(entry.kind, owner, factory, parameters or {}, files or Files(), registry)


def entries_of(package: str, registry: Registry) -> list[Entry]:
    """List the parts that a package registers.

    Args:
        package: name of the package.
        registry: the registry to search.

    Returns:
        At least one entry.

    Raises:
        UnknownComponent: the package registers nothing or is not installed.
    """
    found = [entry for entry in registry if entry.package == normalise(package)]
    if found:
        return found
    packages = sorted({entry.package for entry in registry})
    raise UnknownComponent(
        f"No installed package {package!r} registers parts for decda.{did_you_mean(package, packages)} "
        f"Packages that do: {', '.join(packages)}."
    )


def contract_tests(
    package: str,
    *,
    registry: Registry | None = None,
    files: Files | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[..., None]:
    """Make a pytest test that tries every rule on every part that an installed package registers.

    Assign the result to a name that pytest collects, in any test module.

    Args:
        package: name of the package, as it is installed.
        registry: where to look for its parts; by default all installed packages.
        files: where data sets find their files; rules of a data set whose files are missing are skipped.
        parameters: values of parameters without a default: `{"head:mine": {"gamma": 1.0}}`.

    Returns:
        A test function, parametrized by part and rule.

    Raises:
        UnknownComponent: the package registers nothing or is not installed, so nothing would be tested.

    Example:
        >>> from decda.testing import contract_tests
        >>> test_contracts = contract_tests("decda")  # the name of your package
    """
    import pytest

    registry = Registry.discover() if registry is None else registry
    broken = [problem for problem in registry.problems if problem.package == normalise(package)]
    if broken:
        raise UnknownComponent(f"Parts of {package} may be missing: {broken[0].reason}.")
    cases = [
        pytest.param(entry, rule, id=f"{entry.kind}:{entry.name}-{rule.name.replace(' ', '-')}")
        for entry in entries_of(package, registry)
        for rule in RULES[entry.kind]
    ]

    @pytest.mark.parametrize(("entry", "rule"), cases)
    def test(entry: Entry, rule: Rule) -> None:
        """A part fulfils a rule of its kind."""
        given = (parameters or {}).get(f"{entry.kind}:{entry.name}")
        try:
            subject = subject_of(entry, registry, files, given)
        except DecdaError as error:
            pytest.fail(str(error), pytrace=False)
        outcome = try_rule(rule, subject)
        if outcome.status == "skipped":
            pytest.skip(outcome.seen)
        if outcome.status == "failed":
            pytest.fail(str(outcome), pytrace=False)

    return test
