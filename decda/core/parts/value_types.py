"""The types that parameters may have, and values brought to them from text, from TOML and from Python."""

import contextlib
import math
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Union

SCALARS = (bool, int, float, str, Path)
MAX_SHOWN = 300
"""Characters of a value in an error."""


def type_name(declared: Any) -> str:
    """Describe a declared type for users.

    Args:
        declared: the type of a parameter.

    Returns:
        Such as `float`, `int | none`, `'adam' | 'sgd'` or `tuple of int`.

    Example:
        >>> type_name(tuple[int, ...]), type_name(Path | None)
        ('tuple of int', 'path | none')
    """
    if declared is type(None):
        return "none"
    if declared in SCALARS:
        return "path" if declared is Path else str(declared.__name__)
    arguments = typing.get_args(declared)
    if typing.get_origin(declared) is Literal:
        return " | ".join(repr(a) for a in arguments)
    if typing.get_origin(declared) is tuple:
        if arguments[1:] == (...,):
            return f"tuple of {type_name(arguments[0])}"
        return f"({', '.join(type_name(a) for a in arguments)})"
    return " | ".join(type_name(a) for a in arguments)


def is_readable(declared: Any) -> bool:
    """Whether values of a type can be read from text.

    Args:
        declared: a type.

    Returns:
        True for a scalar, a Literal, a tuple of these, a scalar `|` a Literal, or any of them `| None`.

    Example:
        >>> is_readable(tuple[int, ...]), is_readable(dict)
        (True, False)
    """
    if declared in SCALARS:
        return True
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin is Literal:
        return all(type(a) in (bool, int, str) for a in arguments)
    if origin is tuple:
        inner = arguments[:1] if arguments[1:] == (...,) else arguments
        return bool(inner) and all(a in SCALARS or typing.get_origin(a) is Literal for a in inner)
    if origin in (Union, types.UnionType):
        others = [a for a in arguments if a is not type(None)]
        words = [a for a in others if typing.get_origin(a) is Literal]
        if len(words) == 1 and len(others) == 2:  # a number or a word; the word is looked for first
            return all(is_readable(a) and typing.get_origin(a) is not tuple for a in others)
        return len(others) == 1 and len(arguments) == 2 and is_readable(others[0])
    return False


def split_optional(declared: Any) -> tuple[Any, bool]:
    """Split `| None` off a type.

    Args:
        declared: a type.

    Returns:
        The type without None, and whether None was allowed.

    Example:
        >>> split_optional(int | None)
        (<class 'int'>, True)
    """
    if typing.get_origin(declared) in (Union, types.UnionType):
        arguments = typing.get_args(declared)
        return Union[tuple(a for a in arguments if a is not type(None))], type(None) in arguments  # noqa: UP007
    return declared, False


def _arms(declared: Any) -> list[Any]:
    """The types of which a value may be one, the words before the others."""
    if typing.get_origin(declared) not in (Union, types.UnionType):
        return [declared]
    arms = typing.get_args(declared)
    words = [arm for arm in arms if typing.get_origin(arm) is Literal]
    return words + [arm for arm in arms if arm not in words]


def _first(attempt: Callable[[Any, Any], Any], arms: list[Any], value: Any) -> Any:
    """What the first of several types makes of a value that serves for it."""
    for arm in arms[:-1]:
        with contextlib.suppress(ValueError):
            return attempt(arm, value)
    return attempt(arms[-1], value)


def parse(declared: Any, text: str) -> Any:
    """Read a value of a declared type from text.

    Args:
        declared: the type.
        text: what was typed.

    Returns:
        The value.

    Raises:
        ValueError: the text is no such value.

    Example:
        >>> parse(tuple[int, ...], "500,10"), parse(float | None, "none")
        ((500, 10), None)
    """
    declared, optional = split_optional(declared)
    if optional and text.strip().lower() == "none":
        return None
    arms = _arms(declared)
    if len(arms) > 1:
        return _first(parse, arms, text)
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin is Literal:
        return next(a for a in _or_error(arguments, text) if str(a).lower() == text.strip().lower())
    if origin is tuple:
        pieces = [piece.strip() for piece in text.strip().strip("()[]").split(",")]
        pieces = pieces[:-1] if pieces[-1] == "" else pieces  # `5,` has one element, an empty text none
        return tuple(parse(a, piece) for a, piece in zip(_elements(arguments, len(pieces)), pieces, strict=True))
    if declared is bool:
        return {"true": True, "false": False}[_or_error(("true", "false"), text)[0]]
    if declared in (str, Path):
        return declared(_finite(text))
    return _finite(declared(text.strip()))


def _or_error(choices: tuple[Any, ...], text: str) -> list[Any]:
    found = [c for c in choices if str(c).lower() == text.strip().lower()]
    if not found:
        raise ValueError(text)
    return found


def convert(declared: Any, value: Any) -> Any:
    """Bring a value from TOML or Python to a declared type: an int serves as a float, a list as a tuple.

    Args:
        declared: the type.
        value: of that type, or of one that serves.

    Returns:
        The value in the declared type.

    Raises:
        ValueError: the value does not serve.

    Example:
        >>> convert(float, 1), convert(Path, "a/b").name
        (1.0, 'b')
    """
    declared, optional = split_optional(declared)
    if optional and (value is None or value == "none"):  # TOML has no null
        return None
    arms = _arms(declared)
    if len(arms) > 1:
        return _first(convert, arms, value)
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin is Literal:
        for choice in arguments:
            if type(choice) is type(value) and choice == value:
                return choice
        raise ValueError(value)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(value)
        return tuple(convert(a, v) for a, v in zip(_elements(arguments, len(value)), value, strict=True))
    if type(value).__module__ == "numpy" and hasattr(value, "item"):  # a number out of an array
        value = value.item()
    if declared is Path and isinstance(value, str | Path):
        return Path(_finite(str(value)))
    if declared is float and type(value) is int:
        return float(_finite(value))
    if type(value) is not declared:
        raise ValueError(value)
    return _finite(value)


def _elements(arguments: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    if arguments[1:] == (...,):
        return arguments[:1] * count
    if len(arguments) != count:
        raise ValueError(f"{len(arguments)} values are needed")
    return arguments


def _finite(value: Any) -> Any:
    """Refuse values that a run or a TOML file cannot hold: NaN, infinity, integers beyond 64 bits, invalid Unicode."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(value)
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError(value)
    if isinstance(value, str):
        value.encode()
    return value


def shown(value: Any) -> str:
    """Any value in one line of moderate length, for errors.

    Args:
        value: what a user gave; `repr` fails for some objects, and for integers of more than 4300 digits.

    Returns:
        Its `repr`, shortened where it is long, or its type.

    Example:
        >>> shown("a"), shown(10**5000)
        ("'a'", 'a value of type int')
    """
    try:
        text = " ".join(line.strip() for line in repr(value).splitlines())
    except Exception:
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 50]}... ({len(text)} characters)"
