"""The rules of all kinds, tried on a part in hand or on what a package registers."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from decda.core.errors import DecdaError, UnknownComponent, did_you_mean
from decda.core.files import Files
from decda.core.parts.entries import Entry, normalise
from decda.core.parts.registry import Registry
from decda.testing import augmentation, autoencoder, dataset, head, recipe
from decda.testing.kit import Outcome, Rule, Subject, try_rule

RULES: dict[str, tuple[Rule, ...]] = {
    "encoder": autoencoder.RULES,
    "head": head.RULES,
    "augment": augmentation.RULES,
    "dataset": dataset.RULES,
    "recipe": recipe.RULES,
}
"""The rules of each kind, in the order in which they are tried."""


def check(kind: str, factory: Any, parameters: Mapping[str, Any], files: Files | None = None) -> None:
    """Try all rules of a kind on a class or function.

    Raises:
        AssertionError: it breaks some; a line for each names the part, the rule and what was seen.
    """
    owner = f"{kind} {getattr(factory, '__name__', repr(factory))}"
    subject = Subject(kind, owner, factory, dict(parameters), files or Files())
    broken = [str(outcome) for outcome in try_all(subject) if outcome.status == "failed"]
    if broken:
        raise AssertionError("\n".join(broken))


def try_all(subject: Subject) -> Iterator[Outcome]:
    """The outcome of each rule of the subject's kind; where a basic one is broken, the later ones are skipped."""
    broken = None
    for rule in RULES[subject.kind]:
        if broken is None:
            outcome = try_rule(rule, subject)
            broken = rule.name if rule.basic and outcome.status == "failed" else None
            yield outcome
        else:
            yield Outcome(rule, subject.owner, "skipped", f"not tried, for the rule '{broken}' is broken")


def subject_of(
    entry: Entry, registry: Registry, files: Files | None = None, parameters: Mapping[str, Any] | None = None
) -> Subject:
    """A registered part as the rules take it.

    Raises:
        DecdaError: it cannot be imported, or its signature is none that users can set parameters by.
    """
    owner = f"{entry.kind} '{entry.name}' ({entry.owner})"
    factory = registry.load(entry).factory
    if entry.kind == "recipe":
        factory = entry.qualified
    return Subject(entry.kind, owner, factory, parameters or {}, files or Files(), registry)


def entries_of(package: str, registry: Registry) -> list[Entry]:
    """What a package registers.

    Raises:
        UnknownComponent: nothing.
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
    """A pytest test for every rule of every part that an installed package registers.

    In a test module::

        from decda.testing import contract_tests

        test_contracts = contract_tests("my-package")

    Args:
        package: the name that it is installed by.
        registry: where its parts are; by default all that is installed.
        files: where data sets find their files; where one is missing, its rules are skipped.
        parameters: values for parameters without a default, as `{"head:mine": {"gamma": 1.0}}`.

    Returns:
        A test function, parametrized.

    Raises:
        UnknownComponent: no such package registers anything: nothing would be tested.
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
        """A part keeps a rule of its kind."""
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
