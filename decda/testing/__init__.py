"""The contract kit: checks whether a part fulfils `decda.core.contracts`.

To check a class or function::

    from decda.testing import check_head

    check_head(MyHead, gamma=0.5)

To check everything that an installed package registers, in a pytest module::

    from decda.testing import contract_tests

    test_contracts = contract_tests("my-package")

On the command line, `decda check my-package` or `decda check head:mine` prints a table of all rules.
"""

from collections.abc import Callable
from typing import Any

from decda.core.files import Files
from decda.testing.suite import check, contract_tests

__all__ = [
    "check_augmentation",
    "check_autoencoder",
    "check_dataset",
    "check_head",
    "check_listener",
    "check_start",
    "contract_tests",
]


def check_autoencoder(factory: Callable[..., Any], /, **parameters: Any) -> None:
    """Check an encoder against every rule for encoders.

    Args:
        factory: the class, or a function that makes one: `factory(input_shape, *, ...)`.
        parameters: values of some of its parameters; the others keep their defaults.

    Raises:
        AssertionError: the part breaks at least one rule; one line per rule names the part, the rule and what was seen.

    Example:
        >>> from decda.plugins.encoders.fc import FcAutoencoder
        >>> check_autoencoder(FcAutoencoder, hidden=(16,), embedding_dim=4)
    """
    check("encoder", factory, parameters)


def check_head(factory: Callable[..., Any], /, **parameters: Any) -> None:
    """Check a clustering head against every rule for clustering heads.

    Args:
        factory: the class, or a function that makes one: `factory(n_clusters, embedding_dim, *, ...)`.
        parameters: values of some of its parameters; the others keep their defaults.

    Raises:
        AssertionError: the part breaks at least one rule; one line per rule names the part, the rule and what was seen.

    Example:
        >>> from decda.plugins.heads.idec import IDEC
        >>> check_head(IDEC, gamma=0.5)
    """
    check("head", factory, parameters)


def check_augmentation(factory: Callable[..., Any], /, **parameters: Any) -> None:
    """Check an augmentation against every rule for augmentations.

    Args:
        factory: the class, or a function that makes one: `factory(*, ...)` or `factory(input_shape, *, ...)`.
        parameters: values of some of its parameters; the others keep their defaults.

    Raises:
        AssertionError: the part breaks at least one rule; one line per rule names the part, the rule and what was seen.

    Example:
        >>> from decda.plugins.augmentations.shift import RandomShift
        >>> check_augmentation(RandomShift, translate=0.2)
    """
    check("augment", factory, parameters)


def check_dataset(factory: Callable[..., Any], /, *, files: Files | None = None, **parameters: Any) -> None:
    """Check a data set against every rule for data sets. If one of its files is missing, only the signature is checked.

    Args:
        factory: the function: `factory(*, ...)` or `factory(files, *, ...)`.
        files: where it finds its files; by default as on the command line.
        parameters: values of some of its parameters; the others keep their defaults.

    Raises:
        AssertionError: the part breaks at least one rule; one line per rule names the part, the rule and what was seen.

    Example:
        >>> from decda.plugins.datasets.digits import digits
        >>> check_dataset(digits, size=16)
    """
    check("dataset", factory, parameters, files)


def check_start(factory: Callable[..., Any], /, **parameters: Any) -> None:
    """Check a start against every rule for starts.

    Args:
        factory: the function: `factory(z, n_clusters, seed, *, ...)`.
        parameters: values of some of its parameters; the others keep their defaults.

    Raises:
        AssertionError: the part breaks at least one rule; one line per rule names the part, the rule and what was seen.

    Example:
        >>> from decda.plugins.starts.kmeans import kmeans
        >>> check_start(kmeans, n_init=5)
    """
    check("start", factory, parameters)


def check_listener(factory: Callable[..., Any], /, **parameters: Any) -> None:
    """Check a listener against every rule for listeners, which makes some short runs.

    Args:
        factory: the class, or a function that makes a listener: `factory(folder, *, ...)`.
        parameters: values of some of its parameters; the others keep their defaults.

    Raises:
        AssertionError: the part breaks at least one rule; one line per rule names the part, the rule and what was seen.

    Example:
        >>> from decda.plugins.listeners.tensorboard import TensorBoard
        >>> check_listener(TensorBoard, max_images=10)
    """
    check("listener", factory, parameters)
