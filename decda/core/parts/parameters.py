"""A part's signature -> the parameters a user may set; reads and checks their values.

What stands after the star of a signature is a parameter: its name, type, default and help are all written there.
"""

import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from decda.core.errors import ContractViolation, InvalidParameter, did_you_mean

SCALARS = (bool, int, float, str, Path)
REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Parameter:
    """One thing about a part that the user may set.

    Attributes:
        name: as it is written in `--set part.name=value`.
        type: bool, int, float, str, Path, a Literal, a tuple of those, or any of them `| None`.
        default: its value where none is given; `REQUIRED` where one must be.
        help: one line that says what it is.
    """

    name: str
    type: Any
    default: Any
    help: str

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is REQUIRED

    def __str__(self) -> str:
        """As an error or a listing shows it: `gamma: float = 0.1`."""
        return f"{self.name}: {type_name(self.type)}" + ("" if self.required else f" = {self.default!r}")


def read_parameters(factory: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters that a class or function declares after the star of its signature.

    Raises:
        ContractViolation: `*args`, `**kwargs`, a parameter without a type, or a type that cannot be read from text.
    """
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError) as error:
        raise ContractViolation(f"its signature cannot be read ({error})") from error
    found = []
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ContractViolation(f"its signature has '{parameter}'; each parameter must be named")
        if parameter.kind is parameter.KEYWORD_ONLY:
            found.append(_read(factory, parameter))
    return tuple(found)


def supplied_names(factory: Callable[..., Any]) -> tuple[str, ...]:
    """The names before the star: what assembly supplies (`input_shape`, `n_clusters`, `embedding_dim`, `files`)."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(p.name for p in inspect.signature(factory).parameters.values() if p.kind in kinds)


def complete_values(
    owner: str, parameters: tuple[Parameter, ...], values: Mapping[str, Any], origin: str | Mapping[str, str] = ""
) -> dict[str, Any]:
    """Check values and fill in the defaults.

    Args:
        owner: whose parameters they are, as errors say it: `"head 'idec'"`.
        parameters: what it takes.
        values: what was given, by name.
        origin: where the values come from, for errors: `"config.toml"`; or that of each, by name.

    Returns:
        A value for every parameter, in the order of the signature.

    Raises:
        InvalidParameter: an unknown name, a value of another type, or one that is required and missing.
    """
    origins = dict.fromkeys(values, origin) if isinstance(origin, str) else origin
    for name in values:
        find_parameter(owner, parameters, name, origins.get(name, ""))
    result = {}
    for parameter in parameters:
        if parameter.name in values:
            result[parameter.name] = convert_value(
                owner, parameter, values[parameter.name], origins.get(parameter.name, "")
            )
        elif parameter.required:
            raise InvalidParameter(f"{owner} needs a value for '{parameter.name}' ({parameter.help or 'no default'}).")
        else:
            result[parameter.name] = parameter.default
    return result


def find_parameter(owner: str, parameters: tuple[Parameter, ...], name: str, origin: str = "") -> Parameter:
    """The parameter of that name.

    Raises:
        InvalidParameter: there is none; the message lists those there are.
    """
    for parameter in parameters:
        if parameter.name == name:
            return parameter
    takes = "; ".join(str(p) for p in parameters)
    listing = f"It takes: {takes}" if takes else "It takes no parameters."
    hint = did_you_mean(name, [p.name for p in parameters])
    raise InvalidParameter(f"{owner} has no parameter {str(name)!r}{_from(origin)}.{hint} {listing}")


def parse_value(owner: str, parameter: Parameter, text: str, origin: str = "") -> Any:
    """A value typed as text (`--set head.gamma=0.1`), read by the declared type.

    Text stays as typed, numbers are read as Python reads them and must be finite, booleans are `true` and `false`, a
    tuple is written `1,2,3`, and `none` is None where the type allows it.

    Raises:
        InvalidParameter: the text is no such value.
    """
    try:
        return _parse(parameter.type, text)
    except ValueError as error:
        raise _mismatch(owner, parameter, text, origin) from error


def convert_value(owner: str, parameter: Parameter, value: Any, origin: str = "") -> Any:
    """A value from TOML or Python, brought to the declared type (an int serves as a float, a list as a tuple).

    Raises:
        InvalidParameter: it is not of that type.
    """
    try:
        return _convert(parameter.type, value)
    except ValueError as error:
        raise _mismatch(owner, parameter, value, origin) from error


def type_name(declared: Any) -> str:
    """A type as users read it: `float`, `int | none`, `'adam' | 'sgd'`, `tuple of int`."""
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


def _read(factory: Callable[..., Any], parameter: inspect.Parameter) -> Parameter:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        raise ContractViolation(f"its parameter '{parameter.name}' has no type")
    if isinstance(annotation, str):  # `from __future__ import annotations`
        annotation = _evaluate(factory, parameter.name, annotation)
    text = ""
    if typing.get_origin(annotation) is Annotated:
        annotation, *notes = typing.get_args(annotation)
        text = next((note for note in notes if isinstance(note, str)), "")
    if not _readable(annotation):
        raise ContractViolation(
            f"its parameter '{parameter.name}' is declared as {annotation!r}; only bool, int, float, str, Path, "
            "Literal, tuples of those, and '| None' can be read from text"
        )
    if parameter.default is not REQUIRED:
        try:
            _convert(annotation, parameter.default)
        except ValueError as error:
            raise ContractViolation(
                f"its parameter '{parameter.name}' is declared as {type_name(annotation)}, but its default is "
                f"{parameter.default!r}"
            ) from error
    return Parameter(parameter.name, annotation, parameter.default, text)


def _evaluate(factory: Callable[..., Any], name: str, annotation: str) -> Any:
    function = factory.__init__ if inspect.isclass(factory) else factory
    function = inspect.unwrap(function)
    # Only this one: what stands before the star may be annotated with names that exist for type checkers alone.
    holder = types.SimpleNamespace(__annotations__={name: annotation})
    try:
        return typing.get_type_hints(holder, getattr(function, "__globals__", {}), include_extras=True)[name]
    except Exception as error:
        raise ContractViolation(f"the type of its parameter '{name}' cannot be read: {annotation} ({error})") from error


def _readable(declared: Any) -> bool:
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
        return len(others) == 1 and len(arguments) == 2 and _readable(others[0])
    return False


def _optional(declared: Any) -> tuple[Any, bool]:
    """The type without `| None`, and whether None was allowed."""
    if typing.get_origin(declared) in (Union, types.UnionType):
        return next(a for a in typing.get_args(declared) if a is not type(None)), True
    return declared, False


def _parse(declared: Any, text: str) -> Any:
    declared, optional = _optional(declared)
    if optional and text.strip().lower() == "none":
        return None
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin is Literal:
        return next(a for a in _or_error(arguments, text) if str(a).lower() == text.strip().lower())
    if origin is tuple:
        pieces = [piece.strip() for piece in text.strip().strip("()[]").split(",")]
        pieces = pieces[:-1] if pieces[-1] == "" else pieces  # `5,` is a tuple of one, and nothing is an empty one
        return tuple(_parse(a, piece) for a, piece in zip(_elements(arguments, len(pieces)), pieces, strict=True))
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


def _convert(declared: Any, value: Any) -> Any:
    declared, optional = _optional(declared)
    if optional and (value is None or value == "none"):  # TOML has no null
        return None
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin is Literal:
        for choice in arguments:
            if type(choice) is type(value) and choice == value:
                return choice
        raise ValueError(value)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(value)
        return tuple(_convert(a, v) for a, v in zip(_elements(arguments, len(value)), value, strict=True))
    if declared is Path and isinstance(value, str | Path):
        return Path(value)
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
    """Refuse what no run and no TOML file can hold: NaN, infinity, whole numbers beyond 64 bits, broken text."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(value)
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError(value)
    if isinstance(value, str):
        value.encode()
    return value


def _mismatch(owner: str, parameter: Parameter, value: Any, origin: str) -> InvalidParameter:
    finite = "a finite number, " if _optional(parameter.type)[0] is float else ""
    hint = f" ({parameter.help})" if parameter.help else ""
    return InvalidParameter(
        f"{owner}: '{parameter.name}' must be {finite}{type_name(parameter.type)}, not {value!r}{_from(origin)}.{hint}"
    )


def _from(origin: str) -> str:
    return f" (from {origin})" if origin else ""
