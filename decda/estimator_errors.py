"""Errors of decda in parameters and data, as users of scikit-learn expect them."""

from collections.abc import Iterator
from contextlib import contextmanager

from decda.core.errors import ConfigError, DataError, DecdaError


class EstimatorError(DecdaError, ValueError):
    """A parameter, or what was handed over, does not make sense.

    A ValueError, as in scikit-learn, and a DecdaError. Its cause is the error of decda, with the same message.
    """


@contextmanager
def as_value_errors() -> Iterator[None]:
    """Turn errors in configuration and data into an `EstimatorError`.

    Raises:
        EstimatorError: with the message and the exit code of the error that it replaces.

    Example:
        >>> with as_value_errors():
        ...     raise DataError("There is nothing at photos.")
        Traceback (most recent call last):
            ...
        decda.estimator_errors.EstimatorError: There is nothing at photos.
    """
    try:
        yield
    except (ConfigError, DataError) as error:
        replacement = EstimatorError(str(error), parameter=error.parameter)
        replacement.exit_code = error.exit_code
        raise replacement from error
