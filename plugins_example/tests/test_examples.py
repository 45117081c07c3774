"""Every example in a docstring works as it stands there."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize("name", ["augmentation", "dataset", "encoder", "head", "timer"])
def test_examples(name: str) -> None:
    """What is typed after `>>>` gives what is printed below it."""
    results = doctest.testmod(import_module(f"decda_plugin_example.{name}"))
    assert results.attempted > 0
    assert results.failed == 0
