"""The parameters of a part are declared by its signature."""

import typing
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decda.core.errors import ContractViolation, InvalidParameter
from decda.core.parts.parameters import (
    REQUIRED,
    Parameter,
    complete_values,
    convert_value,
    parse_value,
    read_parameters,
    supplied_names,
)
from decda.core.parts.value_types import shown, split_optional, type_name


class Part:
    """A part with one parameter of each type."""

    def __init__(
        self,
        shape,
        *,
        rate: Annotated[float, "how fast"] = 0.5,
        count: int = 3,
        on: bool = True,
        mode: Literal["a", "b"] = "a",
        sizes: tuple[int, ...] = (1, 2),
        limit: int | None = None,
        where: Path,
    ):
        pass


def parameter(declared: Any) -> Parameter:
    return Parameter("p", declared, REQUIRED, "")


def test_keyword_only_arguments_are_parameters() -> None:
    """Arguments after the `*` are parameters with name, type, default and help; those before it are not."""
    found = read_parameters(Part)
    assert [str(p) for p in found] == [
        "rate: float = 0.5",
        "count: int = 3",
        "on: bool = True",
        "mode: 'a' | 'b' = 'a'",
        "sizes: tuple of int = (1, 2)",
        "limit: int | none = None",
        "where: path",
    ]
    assert found[0].help == "how fast"
    assert found[-1].required
    assert supplied_names(Part) == ("shape",)


def test_a_postponed_annotation_is_read() -> None:
    """Under `from __future__ import annotations` types are strings; only those after the `*` are evaluated."""
    space: dict[str, Any] = {}
    source = (
        "from __future__ import annotations\nfrom typing import Annotated\n"
        "class Part:\n    def __init__(self, x: OnlyForTypeCheckers, *, gamma: Annotated[float, 'weight'] = 0.1): ...\n"
    )
    exec(source, space)
    assert read_parameters(space["Part"]) == (Parameter("gamma", float, 0.1, "weight"),)


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("lambda *args: 0", "args"),
        ("lambda **options: 0", "options"),
        ("lambda *, bare=1: 0", "no type"),
    ],
)
def test_parameters_that_cannot_be_set_break_the_contract(source: str, word: str) -> None:
    """`*args`, `**kwargs` and parameters without a type are refused."""
    with pytest.raises(ContractViolation, match=word):
        read_parameters(eval(source))


@pytest.mark.parametrize(
    "declared", [dict, list[int], int | str, int | str | None, tuple[list[int], ...], Any, "Missing"]
)
def test_an_unsupported_type_breaks_the_contract(declared: Any) -> None:
    """Parameters may be bool, int, float, str, Path, Literal, tuples of those, and `| None`, and nothing else."""

    def part(*, p=None) -> None: ...

    part.__annotations__["p"] = declared
    with pytest.raises(ContractViolation, match="'p'"):
        read_parameters(part)


def test_a_default_of_another_type_breaks_the_contract() -> None:
    """A default must have the declared type."""

    def part(*, p: int = "three") -> None: ...  # type: ignore[assignment]

    with pytest.raises(ContractViolation, match="three"):
        read_parameters(part)


@pytest.mark.parametrize(
    ("declared", "text", "value"),
    [
        (float, "1e-3", 0.001),
        (float, "2", 2.0),
        (int, "-4", -4),
        (int, "1_000", 1000),
        (bool, "true", True),
        (bool, "False", False),
        (str, " as typed ", " as typed "),
        (str, "none", "none"),
        (str | None, "none", None),
        (int | None, "None", None),
        (int | None, "7", 7),
        (Path, "a/b", Path("a/b")),
        (Literal["adam", "sgd"], "sgd", "sgd"),
        (Literal[1, 2], "2", 2),
        (tuple[int, ...], "500,500,2000", (500, 500, 2000)),
        (tuple[int, ...], "(5,)", (5,)),
        (tuple[int, ...], "", ()),
        (tuple[float, int], "0.5, 2", (0.5, 2)),
    ],
)
def test_text_is_parsed_by_the_declared_type(declared: Any, text: str, value: Any) -> None:
    """The text after `=` in --set is parsed according to the signature."""
    read = parse_value("head 'x'", parameter(declared), text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        (float, "nan"),
        (float, "inf"),
        (float, "fast"),
        (int, "1.5"),
        (int, "none"),
        (bool, "1"),
        (bool, "yes"),
        (Literal["adam", "sgd"], "rmsprop"),
        (tuple[int, ...], "1,x"),
        (tuple[int, int], "1"),
        (tuple[int, int], "1,2,3"),
    ],
)
def test_text_of_another_type_is_refused(declared: Any, text: str) -> None:
    """The error names the part, the parameter, the type, the value and where it came from."""
    with pytest.raises(InvalidParameter) as caught:
        parse_value("head 'x'", parameter(declared), text, "--set head.p=...")
    for piece in ("head 'x'", "'p'", type_name(declared), repr(text), "--set head.p=..."):
        assert piece in str(caught.value)


@pytest.mark.parametrize(
    ("declared", "given", "value"),
    [(float, 1, 1.0), (tuple[int, ...], [1, 2], (1, 2)), (Path, "x", Path("x")), (int | None, "none", None)],
)
def test_toml_values_are_converted_to_the_type(declared: Any, given: Any, value: Any) -> None:
    """An int is accepted as a float, a list as a tuple, a string as a path, and "none" as None, which TOML lacks."""
    assert convert_value("x", parameter(declared), given) == value


@pytest.mark.parametrize(
    ("declared", "given"),
    [(int, True), (bool, 1), (float, "1"), (float, float("nan")), (str, 1), (Literal[1], True), (tuple[int, ...], 5)],
)
def test_values_of_another_type_are_refused(declared: Any, given: Any) -> None:
    """Nothing is guessed: True is not an int, and 1 is not a bool."""
    with pytest.raises(InvalidParameter):
        convert_value("x", parameter(declared), given)


EITHER = int | Literal["auto"]


@pytest.mark.parametrize("declared", [EITHER, EITHER | None, Literal["auto"] | int, None | Literal["auto"] | int])
def test_a_number_or_a_word(declared: Any) -> None:
    """A type may be a number or a word, in whatever order they are declared; anything else is refused."""
    parameters = read_parameters(_with_type(declared))
    assert [parse_value("x", parameters[0], text) for text in ("12", "auto", " AUTO ")] == [12, "auto", "auto"]
    assert [convert_value("x", parameters[0], value) for value in (12, "auto")] == [12, "auto"]
    for wrong in ("few", "1.5", ""):
        with pytest.raises(InvalidParameter, match="int | 'auto'"):
            parse_value("x", parameters[0], wrong)
    for value in (1.5, True, "12"):
        with pytest.raises(InvalidParameter, match="'p' must be .*'auto'"):
            convert_value("x", parameters[0], value)


@pytest.mark.parametrize("declared", [int | str, int | Literal["a"] | Literal["b"] | float, tuple[int] | Literal["a"]])
def test_other_unions_are_refused(declared: Any) -> None:
    """What a text means would not be clear for other unions."""
    with pytest.raises(ContractViolation, match="can be read from text"):
        read_parameters(_with_type(declared))


def _with_type(declared: Any) -> Callable[..., None]:
    def part(*, p: Any = 3) -> None: ...

    part.__annotations__["p"] = declared
    return part


def test_an_unknown_name_gets_suggestions() -> None:
    """The error about an unknown parameter suggests a similar name and lists all parameters."""
    with pytest.raises(
        InvalidParameter, match=r"no parameter 'rat'.*Did you mean 'rate'\?.*It takes: rate: float = 0.5"
    ):
        complete_values("head 'x'", read_parameters(Part), {"rat": 1})


def test_defaults_are_filled_in() -> None:
    """Every parameter gets a value, and one without a default is required."""
    parameters = read_parameters(Part)
    assert complete_values("x", parameters, {"where": "here", "count": 5})["count"] == 5
    assert complete_values("x", parameters, {"where": "here"})["rate"] == 0.5
    with pytest.raises(InvalidParameter, match="'where'"):
        complete_values("x", parameters, {})


SINGLE = (bool, int, float, str, Path, Literal["a", 1, True])
TYPES = (*SINGLE, EITHER, tuple[int, ...], tuple[Literal["x", "y"], ...], tuple[float, Path])
UNICODE = st.text(st.characters())  # lone surrogates, too
TEXTS = UNICODE | st.sampled_from(
    ["none", "true", "1,2", "(3,)", "1e400", "nan", "-inf", "-0", "1_0", "0x1", "٣", "9" * 5000, "1," * 5000, "x,y"]
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), UNICODE, st.binary(), st.dates(), st.complex_numbers(),
    st.builds(Path, TEXTS),
    st.sampled_from([np.float32(0.5), np.int64(3), np.float64("nan"), np.arange(3), np.array(2)]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(UNICODE, inner)
)


def is_of(declared: Any, value: Any) -> bool:
    """Whether a value is of a declared type and can be written to a configuration file."""
    declared, optional = split_optional(declared)
    if value is None:
        return optional
    if declared == EITHER:
        return any(is_of(arm, value) for arm in typing.get_args(declared))
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if origin is tuple:
        elements = arguments[:1] * len(value) if arguments[1:] == (...,) else arguments
        return type(value) is tuple and all(map(is_of, elements, value)) and len(elements) == len(value)
    if isinstance(value, float):
        return declared is float and np.isfinite(value)
    if declared is int:
        return type(value) is int and abs(value) < 2**63
    str(value).encode()
    return isinstance(value, Path) if declared is Path else type(value) is declared


@settings(deadline=None)
@given(st.sampled_from([*TYPES, *(each | None for each in TYPES)]), TEXTS)
def test_any_text_is_parsed_or_refused(declared: Any, text: str) -> None:
    """Whatever the text and the type, a value of that type comes out, or an error of one line."""
    refusal = ""
    try:
        assert is_of(declared, parse_value("head 'x'", parameter(declared), text))
    except InvalidParameter as error:
        refusal = str(error)
    assert len(refusal.splitlines()) <= 1


@settings(deadline=None)
@given(st.sampled_from([*TYPES, *(each | None for each in TYPES)]), VALUES)
def test_any_value_is_converted_or_refused(declared: Any, value: Any) -> None:
    """Whatever the value and the type, a value of that type comes out, or an error of one line."""
    refusal = ""
    try:
        assert is_of(declared, convert_value("head 'x'", parameter(declared), value))
    except InvalidParameter as error:
        refusal = str(error)
    assert len(refusal.splitlines()) <= 1


class Mute:
    """An object that fails to describe itself."""

    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10**5000, "a value of type int"),
        ([10**5000], "a value of type list"),
        (Mute(), "a value of type Mute"),
        (np.ones((2, 1)), "array([[1.], [1.]])"),
        ("x" * 10**6, f"'{'x' * 249}... (1000002 characters)"),
        (date(2020, 1, 2), "datetime.date(2020, 1, 2)"),
        (Path("a\udcff"), r"PosixPath('a\udcff')"),
    ],
    ids=["integer", "list", "object", "array", "text", "date", "path"],
)
def test_values_that_cannot_be_printed(value: Any, text: str) -> None:
    """A value or name that is too long, or fails to describe itself, is refused with an error of one line, too."""
    assert shown(value) == text
    with pytest.raises(InvalidParameter) as caught:
        convert_value("head 'x'", parameter(int), value)
    assert len(str(caught.value).splitlines()) == 1
    names: Any = {10**5000: 1}  # as from Python
    with pytest.raises(InvalidParameter, match="no parameter a value of type int"):
        complete_values("head 'x'", (), names)
