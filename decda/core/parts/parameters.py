"""Reads the parameters of a part from its signature, and reads and checks their values.

The keyword-only arguments of the signature are the parameters that users may set. Their names, types, defaults and help
texts are all declared there.
"""

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from decda.core.errors import ContractViolation, InvalidParameter, did_you_mean
from decda.core.parts.value_types import convert, is_readable, parse, shown, split_optional, type_name

REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Parameter:
    """A parameter of a part that users may set.

    Attributes:
        name: its name, as in the signature.
        type: bool, int, float, str, Path, a Literal, a tuple of those, or any of them `| None`.
        default: the value used if none is given; `REQUIRED` if one must be given.
        help: one line that explains it.

    Example:
        >>> str(Parameter("gamma", float, 0.1, "weight of the clustering term"))
        'gamma: float = 0.1'
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
        """The parameter as shown in errors and listings: `gamma: float = 0.1`."""
        return f"{self.name}: {type_name(self.type)}" + ("" if self.required else f" = {self.default!r}")


def read_parameters(factory: Callable[..., Any]) -> tuple[Parameter, ...]:
    """Read the parameters that a class or function declares as keyword-only arguments.

    Args:
        factory: the class or function.

    Returns:
        Its parameters, in the order of the signature.

    Raises:
        ContractViolation: the signature has `*args`, `**kwargs`, a parameter without a type, or one whose values
            cannot be read from text.

    Example:
        >>> def make(n_clusters: int, *, gamma: Annotated[float, "weight of the clustering term"] = 0.1): ...
        >>> [str(parameter) for parameter in read_parameters(make)]
        ['gamma: float = 0.1']
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
    """The arguments that are not keyword-only, which assembly supplies: `input_shape`, `n_clusters`, `files`, ...

    Args:
        factory: the class or function.

    Returns:
        Their names, in the order of the signature.

    Example:
        >>> def make(n_clusters, embedding_dim, *, gamma: float = 0.1): ...
        >>> supplied_names(make)
        ('n_clusters', 'embedding_dim')
    """
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(p.name for p in inspect.signature(factory).parameters.values() if p.kind in kinds)


def complete_values(
    owner: str, parameters: tuple[Parameter, ...], values: Mapping[str, Any], origin: str | Mapping[str, str] = ""
) -> dict[str, Any]:
    """Check values and fill in the defaults.

    Args:
        owner: whose parameters they are, for errors: `"head 'idec'"`.
        parameters: the parameters of the part.
        values: the given values, by name.
        origin: where the values come from, for errors: `"config.toml"`; or the origin of each value, by name.

    Returns:
        A value for every parameter, in the order of the signature.

    Raises:
        InvalidParameter: a name is unknown, a value has the wrong type, or a required value is missing.

    Example:
        >>> complete_values("head 'idec'", (Parameter("gamma", float, 0.1, ""),), {})
        {'gamma': 0.1}
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
    """Find a parameter by name.

    Args:
        owner: whose parameters they are, for errors: `"head 'idec'"`.
        parameters: the parameters of the part.
        name: the name to look for.
        origin: where the name comes from, for errors.

    Returns:
        The parameter of that name.

    Raises:
        InvalidParameter: there is none; the message lists the existing ones.

    Example:
        >>> find_parameter("head 'idec'", (Parameter("gamma", float, 0.1, ""),), "gamma").default
        0.1
    """
    for parameter in parameters:
        if parameter.name == name:
            return parameter
    takes = "; ".join(str(p) for p in parameters)
    listing = f"It takes: {takes}" if takes else "It takes no parameters."
    hint = did_you_mean(name, [p.name for p in parameters]) if isinstance(name, str) else ""
    raise InvalidParameter(f"{owner} has no parameter {shown(name)}{_from(origin)}.{hint} {listing}")


def parse_value(owner: str, parameter: Parameter, text: str, origin: str = "") -> Any:
    """Read a value that was typed as text, according to the declared type of its parameter.

    Strings are kept as typed. Numbers use Python's notation and must be finite. Booleans are `true` and `false`, tuples
    are written `1,2,3`, and `none` is None if the type allows it.

    Args:
        owner: whose parameter it is, for errors: `"head 'idec'"`.
        parameter: the parameter.
        text: the text.
        origin: where the text comes from, for errors.

    Returns:
        The value, of the declared type.

    Raises:
        InvalidParameter: the text is not a value of that type.

    Example:
        >>> parse_value("encoder 'fc'", Parameter("widths", tuple[int, ...], (), ""), "500,2000")
        (500, 2000)
    """
    try:
        return parse(parameter.type, text)
    except ValueError as error:
        raise _mismatch(owner, parameter, text, origin) from error


def convert_value(owner: str, parameter: Parameter, value: Any, origin: str = "") -> Any:
    """Convert a value from TOML or Python to the declared type of its parameter.

    An int is accepted for a float, a list for a tuple, a string for a path, and "none" for None.

    Args:
        owner: whose parameter it is, for errors: `"head 'idec'"`.
        parameter: the parameter.
        value: the value.
        origin: where the value comes from, for errors.

    Returns:
        The value, of the declared type.

    Raises:
        InvalidParameter: the value cannot be converted.

    Example:
        >>> convert_value("encoder 'fc'", Parameter("widths", tuple[int, ...], (), ""), [500, 2000])
        (500, 2000)
    """
    try:
        return convert(parameter.type, value)
    except ValueError as error:
        raise _mismatch(owner, parameter, value, origin) from error


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
    if not is_readable(annotation):
        raise ContractViolation(
            f"its parameter '{parameter.name}' is declared as {annotation!r}; only bool, int, float, str, Path, "
            "Literal, tuples of those, and '| None' can be read from text"
        )
    if parameter.default is not REQUIRED:
        try:
            convert(annotation, parameter.default)
        except ValueError as error:
            raise ContractViolation(
                f"its parameter '{parameter.name}' is declared as {type_name(annotation)}, but its default is "
                f"{parameter.default!r}"
            ) from error
    return Parameter(parameter.name, annotation, parameter.default, text)


def _evaluate(factory: Callable[..., Any], name: str, annotation: str) -> Any:
    function = factory.__init__ if inspect.isclass(factory) else factory
    function = inspect.unwrap(function)
    # Only this annotation: those of supplied arguments may use names that exist only for type checkers.
    holder = types.SimpleNamespace(__annotations__={name: annotation})
    try:
        return typing.get_type_hints(holder, getattr(function, "__globals__", {}), include_extras=True)[name]
    except Exception as error:
        raise ContractViolation(f"the type of its parameter '{name}' cannot be read: {annotation} ({error})") from error


def _mismatch(owner: str, parameter: Parameter, value: Any, origin: str) -> InvalidParameter:
    finite = "a finite number, " if split_optional(parameter.type)[0] is float else ""
    hint = f" ({parameter.help})" if parameter.help else ""
    what = f"'{parameter.name}' must be {finite}{type_name(parameter.type)}, not {shown(value)}"
    return InvalidParameter(f"{owner}: {what}{_from(origin)}.{hint}")


def _from(origin: str) -> str:
    return f" (from {origin})" if origin else ""
