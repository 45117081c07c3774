"""The kit applied to all parts of a package."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from decda.core.errors import UnknownComponent
from decda.core.parts.entries import Problem
from decda.core.parts.registry import Registry
from decda.plugins.augmentations.none import NoAugmentation
from decda.testing import contract_tests
from decda.testing.suite import RULES, subject_of, try_all
from tests.conftest import install


def collected(test) -> list[str]:
    (mark,) = test.pytestmark
    return [case.id for case in mark.args[1]]


def test_every_part_is_checked_by_every_rule(registry: Registry) -> None:
    """The parametrized test has a case for each part of the package and each rule of its kind."""
    cases = collected(contract_tests("DECDA", registry=registry))
    assert len(cases) == sum(len(RULES[entry.kind]) for entry in registry if entry.package == "decda")
    assert "head:idec-batch-of-one" in cases


def test_a_package_without_parts_is_an_error(registry: Registry) -> None:
    """A misspelt or missing package is an error, because testing nothing is no success."""
    with pytest.raises(UnknownComponent, match=r"No installed package 'deca' registers .* Did you mean 'decda'\?"):
        contract_tests("deca", registry=registry)


def test_a_damaged_package_is_an_error() -> None:
    """Defective metadata is an error, because the parts that it hides would go untested."""
    registry = Registry([], [Problem("mine", "1", "entry_points.txt", "the group [decda.head] is none of decda's")])
    with pytest.raises(UnknownComponent, match=r"Parts of mine may be missing: the group \[decda.head\]"):
        contract_tests("mine", registry=registry)


STRANGE = '''
import torch
from decda.core.contracts import ImageSet

def fine(*, n: "Annotated[int, 'images']" = 6) -> ImageSet:
    """Noise."""
    return ImageSet(torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(n) % 2)

def unlabelled():
    return ImageSet(fine().x)

def bad():
    return ImageSet(torch.rand(6, 1, 4, 4))

def needs(*, n: "Annotated[int, 'images']"):
    return fine(n=n)

from typing import Annotated
'''


def run_pytest(folder: Path, site: Path) -> tuple[set[str], dict[str, str], dict[str, str]]:
    """Run pytest in another process in a folder; the passed, failed and skipped cases, with reasons."""
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=report.xml", "."],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        check=False,
        timeout=120,
    )
    passed, failed, skipped = set(), {}, {}
    for case in ElementTree.parse(folder / "report.xml").iter("testcase"):
        name = case.attrib["name"].partition("[")[2].removesuffix("]")
        if (failure := case.find("failure")) is not None:
            failed[name] = failure.attrib["message"]
        elif (skip := case.find("skipped")) is not None:
            skipped[name] = skip.attrib["message"]
        else:
            passed.add(name)
    return passed, failed, skipped


def test_the_suite_passes_fails_and_skips(tmp_path: Path) -> None:
    """For an installed package, sound parts pass, broken ones fail by name, and parameters can be passed to parts."""
    site = tmp_path / "site"
    names = ("fine", "bad", "unlabelled", "needs", "gone")
    install(site, "strange", "\n".join(["[decda.datasets]", *(f"{name} = strange:{name}" for name in names)]))
    (site / "strange.py").write_text(STRANGE)
    (tmp_path / "test_it.py").write_text(
        "from decda.testing import contract_tests\n\n"
        "test_contracts = contract_tests('strange', parameters={'dataset:needs': {'n': 8}})\n"
    )
    passed, failed, skipped = run_pytest(tmp_path, site)
    assert {case for case in passed if "fine" in case or "needs" in case} == {
        f"dataset:{name}-{rule.name.replace(' ', '-')}" for name in ("fine", "needs") for rule in RULES["dataset"]
    }
    assert "dataset:bad-determinism" in failed
    assert "dataset:bad-signature" in passed
    assert "'gone'" in failed["dataset:gone-signature"]
    assert "dataset 'bad' (strange 1.0) breaks the rule 'determinism'" in failed["dataset:bad-determinism"]
    assert "it has no labels" in skipped["dataset:unlabelled-labels"]


def test_a_part_added_in_python_can_be_checked() -> None:
    """A part that a notebook has added is checked by the same rules."""
    fresh = Registry.discover()
    entry = fresh.add("augment", "mine", NoAugmentation)
    outcomes = list(try_all(subject_of(entry, fresh)))
    assert {outcome.status for outcome in outcomes} == {"passed"}
    assert outcomes[0].owner == "augment 'mine' (local)"
