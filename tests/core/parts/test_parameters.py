"""The parameters of a part are declared by its signature."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

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
from decda.core.parts.value_types import type_name


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
