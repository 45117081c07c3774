"""Notation for several seeds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decda.core.errors import InvalidParameter
from decda.core.studies.seed_ranges import format_seeds, parse_seeds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", (3,)),
        ("0-4", (0, 1, 2, 3, 4)),
        ("0,2,5", (0, 2, 5)),
        ("7,0-2", (0, 1, 2, 7)),
        (" 1 , 3 - 4 ", (1, 3, 4)),
        ("5-5", (5,)),
        ("123456789012345678", (123456789012345678,)),
        ("0-999", tuple(range(1000))),
    ],
)
def test_parsing_seeds(text: str, expected: tuple[int, ...]) -> None:
    """Single seeds, ranges and mixtures of both are parsed and sorted."""
    assert parse_seeds(text) == expected


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", ["a seed is missing", "0-4 or 0,2,5"]),
        ("1,,2", ["a seed is missing"]),
        ("4-0", ["4-0 runs backwards", "Write 0-4"]),
        ("1,0-2", ["the seed 1 is named twice"]),
        ("-3", ["'-3' is neither a seed nor a range", "from 0 up"]),
        ("1.5", ["'1.5'"]),
        ("two", ["'two'"]),
        ("0-2-4", ["'0-2-4'"]),
        ("٣", ["'٣'"]),
        ("9" * 5000, ["neither a seed"]),
        ("0-1000", ["more than 1000 seeds"]),
        ("0-599,600-1000", ["more than 1000 seeds"]),
        ("0-999999999999", ["more than 1000 seeds"]),
    ],
)
def test_mistakes_in_seeds(text: str, pieces: list[str]) -> None:
    """The error quotes the invalid piece, and is raised at once even for a huge range."""
    with pytest.raises(InvalidParameter) as caught:
        parse_seeds(text)
    assert all(piece in str(caught.value) for piece in pieces)


def test_seeds_name_a_folder() -> None:
    """Consecutive seeds are joined to ranges, and a long list is abbreviated to its ends and its length."""
    assert format_seeds(range(5)) == "0-4"
    assert format_seeds([3]) == "3"
    assert format_seeds([0, 1, 5]) == "0-1_5"
    assert format_seeds([0, 5]) == "0_5"
    assert format_seeds(range(0, 100, 2)) == "0-98x50"


@settings(deadline=None)
@given(st.text(st.characters()) | st.text("0123456789-, ") | st.just("9" * 5000))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """Whatever the text, sorted seeds come out, or an error of one line."""
    refusal = ""
    try:
        seeds = parse_seeds(text)
    except InvalidParameter as error:
        refusal = str(error)
    else:
        assert 1 <= len(seeds) <= 1000
        assert list(seeds) == sorted(set(seeds))
        assert 0 <= seeds[0] <= seeds[-1] < 2**63
    assert len(refusal.splitlines()) <= 1


@settings(deadline=None)
@given(st.sets(st.integers(0, 30) | st.integers(0, 10**18 - 1), min_size=1))
def test_seeds_can_be_read_back(seeds: set[int]) -> None:
    """What names a folder can be parsed again, unless it was abbreviated, and is itself fit for a name."""
    name = format_seeds(sorted(seeds))
    assert set(name) <= set("0123456789-_x")
    if "x" not in name:
        assert set(parse_seeds(name.replace("_", ","))) == seeds
