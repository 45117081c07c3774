"""Words for several seeds: `0-4`, `0,2,5`."""

import re
from collections.abc import Iterable

from decda.core.errors import InvalidParameter

MAX_SEEDS = 1000
"""More than anybody waits for; a typing mistake is reported before folders are made."""


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read `"0-4"`, `"0,2,5"`, `"3"` or `"0-2,7"`.

    Args:
        text: whole numbers from 0 up, or ranges of them, separated by commas.

    Returns:
        The seeds, sorted.

    Raises:
        InvalidParameter: it is none of these, or names a seed twice, or too many.

    Example:
        >>> parse_seeds("0-2,7")
        (0, 1, 2, 7)
    """
    example = "Write whole numbers from 0 up, or ranges of them, separated by commas: 0-4 or 0,2,5 or 0-2,7."
    seeds: list[int] = []
    for piece in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,18})\s*(?:-\s*([0-9]{1,18})\s*)?", piece)
        if match is None:
            what = f"{piece.strip()!r} is neither a seed nor a range" if piece.strip() else "a seed is missing"
            raise InvalidParameter(f"{what}. {example}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InvalidParameter(f"the range {piece.strip()} runs backwards. Write {last}-{first}.")
        if len(seeds) + last - first >= MAX_SEEDS:
            raise InvalidParameter(f"these are more than {MAX_SEEDS} seeds. Train fewer at a time.")
        seeds += range(first, last + 1)
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        raise InvalidParameter(f"the seed {twice[0]} is named twice, and would give the same run. Name each once.")
    return tuple(sorted(seeds))


def format_seeds(seeds: Iterable[int]) -> str:
    """Seeds in short, fit for the name of a folder.

    Args:
        seeds: sorted.

    Returns:
        `0-4`, `0_2_5`; of more than four ranges the bounds and the number, `0-998x500`.

    Example:
        >>> format_seeds([0, 1, 2, 7])
        '0-2_7'
    """
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and seed == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], seed]
        else:
            ranges.append([seed])
    if len(ranges) > 4:
        return f"{ranges[0][0]}-{ranges[-1][-1]}x{sum(each[-1] - each[0] + 1 for each in ranges)}"
    return "_".join("-".join(map(str, each)) for each in ranges)
