"""The contract kit: does a part keep what `decda.core.contracts` asks of it?

With a class in hand::

    from decda.testing import check_head

    check_head(MyHead, gamma=0.5)

For all that an installed package registers, in a test module of pytest::

    from decda.testing import contract_tests

    test_contracts = contract_tests("my-package")

On the command line, `decda check my-package` or `decda check head:mine` prints a table of all rules.
"""

from collections.abc import Callable
from typing import Any

from decda.core.files import Files
from decda.testing.suite import check, contract_tests

__all__ = ["check_augmentation", "check_autoencoder", "check_dataset", "check_head", "contract_tests"]


def check_autoencoder(factory: Callable[..., Any], /, **parameters: Any) -> None:
    """Try the rules for encoders.

    Args:
        factory: the class, or a function that makes one: `factory(input_shape, *, ...)`.
        parameters: values for its parameters; the others keep their defaults.

    Raises:
        AssertionError: it breaks some; a line for each names the part, the rule and what was seen.
    """
    check("encoder", factory, parameters)


def check_head(factory: Callable[..., Any], /, **parameters: Any) -> None:
    """Try the rules for clustering heads.

    Args:
        factory: the class, or a function that makes one: `factory(n_clusters, embedding_dim, *, ...)`.
        parameters: values for its parameters; the others keep their defaults.

    Raises:
        AssertionError: it breaks some; a line for each names the part, the rule and what was seen.
    """
    check("head", factory, parameters)


def check_augmentation(factory: Callable[..., Any], /, **parameters: Any) -> None:
    """Try the rules for augmentations.

    Args:
        factory: the class, or a function that makes one: `factory(*, ...)` or `factory(input_shape, *, ...)`.
        parameters: values for its parameters; the others keep their defaults.

    Raises:
        AssertionError: it breaks some; a line for each names the part, the rule and what was seen.
    """
    check("augment", factory, parameters)


def check_dataset(factory: Callable[..., Any], /, *, files: Files | None = None, **parameters: Any) -> None:
    """Try the rules for data sets. Where one of its files is missing, nothing is tried but its signature.

    Args:
        factory: the function: `factory(*, ...)` or `factory(files, *, ...)`.
        files: where it finds its files; by default as on the command line.
        parameters: values for its parameters; the others keep their defaults.

    Raises:
        AssertionError: it breaks some; a line for each names the part, the rule and what was seen.
    """
    check("dataset", factory, parameters, files)
