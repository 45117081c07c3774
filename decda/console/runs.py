"""The table of `decda runs`."""

import os
import shlex
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from decda.core import errors
from decda.core.runs.naming import printable
from decda.core.runs.overview import FINISHED, INTERRUPTED, Overview
from decda.core.studies.listing import ListedRun, Listing

STYLES = {
    "finished": "green",
    "started": "cyan",
    "interrupted": "yellow",
    "failed": "bold red",
    "diverged": "bold red",
    "damaged": "bold red",
    "unreadable": "bold red",
}
TITLES = ("run", "recipe", "data set", "parts", "seeds", "status", "ACC", "NMI", "age", "size")
WORDS = range(1, 4)
"""The columns that go to a line of their own where the terminal is narrow."""
SEEDS = 4
"""The column that is left out where no row is of several seeds."""
RIGHT = {4, 6, 7, 8, 9}
"""The columns that are aligned on the right."""
GAP = "  "
MAX_NAME = 60
"""Of a run's column; a longer name takes a line of its own."""
NAMED = 3
"""Folders without runs that are named one by one."""
UNITS = ((31_557_600, "year"), (86400, "day"), (3600, "h"), (60, "min"), (1, "s"))
SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def print_runs(
    listing: Listing,
    now: float,
    *,
    every_seed: bool = False,
    verbose: bool = False,
    console: Console | None = None,
) -> None:
    """Print a table of runs on stdout, and on stderr how many there are, what was left out, and how to go on.

    A run takes one line or, where the terminal is too narrow, two.

    Args:
        listing: from `list_runs`.
        now: in seconds since 1970.
        every_seed: whether seeds are listed one by one, below the folder they are in.
        verbose: whether it is said why runs have not finished.
        console: where the table is printed, by default stdout.
    """
    if listing.runs:
        console = console or Console()
        rows = [(run, False) for run in listing.runs]
        if every_seed:
            rows = [row for run, _ in rows for row in ((run, False), *((ListedRun(seed), True) for seed in run.runs))]
        for line in _lines(rows, now, verbose, console.width if console.is_terminal else None):
            # In a pipe each row stays on one line.
            console.print(line, soft_wrap=not console.is_terminal)
        Console(stderr=True).print()
    _print_notes(listing, verbose)


def age_text(seconds: float | None) -> str:
    """How long ago something was, in the largest unit of which there is at least one.

    Args:
        seconds: since then; None: that is not known.

    Returns:
        A number and a unit. What lies in the future, by another clock, was just now.

    Example:
        >>> [age_text(seconds) for seconds in (200, 7300, 5 * 86400, 4e7, 0.2, -5, None)]
        ['3 min', '2 h', '5 days', '1 year', 'now', 'now', '']
    """
    if seconds is None:
        return ""
    for size, unit in UNITS:
        number = int(seconds // size)
        if number >= 1:
            return f"{number} {unit}{'s' if unit in ('year', 'day') and number > 1 else ''}"
    return "now"


def size_text(n_bytes: int) -> str:
    """A number of bytes in the unit that suits it.

    Args:
        n_bytes: how many.

    Returns:
        A number and a unit, by powers of 1000.

    Example:
        >>> [size_text(n) for n in (0, 999, 1_200_000, 24_800_000, 999_960, 31_000_000_000)]
        ['0 B', '999 B', '1.2 MB', '24.8 MB', '1.0 MB', '31.0 GB']
    """
    size, units = float(n_bytes), iter(SIZES)
    unit = next(units)
    while round(size, 1) >= 1000 and unit != SIZES[-1]:
        size, unit = size / 1000, next(units)
    return f"{size:.{0 if unit == SIZES[0] else 1}f} {unit}"


def _lines(
    rows: Sequence[tuple[ListedRun, bool]], now: float, verbose: bool, width: int | None
) -> Iterator[Text | Padding]:
    """The lines of the table, in as many columns as fit.

    Args:
        rows: runs, and whether each is a seed below the folder of several.
        now: in seconds since 1970.
        verbose: whether reasons are told.
        width: of the terminal; None: any width serves.
    """
    table = [_cells(run, now, inner=inner) for run, inner in rows]
    columns = [i for i in range(len(TITLES)) if i != SEEDS or any(cells[SEEDS] for cells in table)]
    titles = [Text(title, style="bold") for title in TITLES]
    widths = [max(cell_len(cells[i].plain) for cells in (titles, *table)) for i in range(len(TITLES))]
    widths[0] = min(widths[0], MAX_NAME)
    narrow = width is not None and sum(widths[i] + len(GAP) for i in columns) - len(GAP) > width
    if narrow and width is not None:
        columns = [i for i in columns if i not in WORDS]
        widths[0] = max(min(widths[0], width - sum(widths[i] + len(GAP) for i in columns[1:])), cell_len(TITLES[0]))
    yield _line([titles[i] for i in columns], [widths[i] for i in columns], columns)
    for (run, inner), cells in zip(rows, table, strict=True):
        if width is not None and cell_len(cells[0].plain) > widths[0]:
            yield cells[0]
            cells[0] = Text()
        yield _line([cells[i] for i in columns], [widths[i] for i in columns], columns)
        words = [cells[i].plain for i in WORDS if cells[i]]
        if narrow and words:
            yield _indented(" · ".join(words), "dim", 2, wrap=True)
        if verbose and run.overview.reason:
            yield _indented(_reason(run.overview), "red", 4 if inner else 2, wrap=width is not None)


def _line(cells: Sequence[Text], widths: Sequence[int], columns: Sequence[int]) -> Text:
    line = Text()
    for cell, width, column in zip(cells, widths, columns, strict=True):
        blanks = " " * (width - cell_len(cell.plain))
        line.append(GAP if line else "")
        line.append_text(Text.assemble(blanks, cell) if column in RIGHT else Text.assemble(cell, blanks))
    line.rstrip()
    return line


def _indented(text: str, style: str, blanks: int, *, wrap: bool) -> Text | Padding:
    line = Text(text, style=style)
    return Padding(line, (0, 0, 0, blanks), expand=False) if wrap else Text(" " * blanks).append_text(line)


def _cells(run: ListedRun, now: float, *, inner: bool) -> list[Text]:
    """The cells of a row, in the order of `TITLES`; a seed below the folder of several does not repeat its parts."""
    seen = run.overview
    words = ("", "", "")
    if seen.parts and not inner:
        words = (seen.recipe or "custom", _images(seen), " · ".join(seen.sentence))
    shares = [seen.scores.get(name) for name in ("acc", "nmi")]
    return [
        Text(f"{'  ' if inner else ''}{_name(seen)}", style="" if inner else "cyan"),
        *(Text(printable(word)) for word in words),
        Text(_count(run)),
        Text(seen.status, style=STYLES[seen.status]),
        *(Text("" if share is None else f"{share:.3f}") for share in shares),
        Text(age_text(None if seen.time is None else now - seen.time)),
        Text(size_text(seen.n_bytes)),
    ]


def _name(overview: Overview) -> str:
    return printable(overview.folder.name or overview.folder)


def _reason(overview: Overview) -> str:
    """The reason, without the name that decda has for errors of its kind."""
    name, _, text = printable(overview.reason).partition(": ")
    return text if text and isinstance(getattr(errors, name, None), type) else printable(overview.reason)


def _images(overview: Overview) -> str:
    """The data set; of images of one's own, the last part of their path, which says more."""
    own = os.path.basename(os.path.normpath(overview.data_path)) if overview.data_path else ""
    return own or overview.dataset or ""


def _count(run: ListedRun) -> str:
    if not run.seeds:
        return ""
    return str(len(run.seeds)) if run.overview.status == FINISHED else f"{run.n_finished} of {len(run.seeds)}"


def _print_notes(listing: Listing, verbose: bool) -> None:
    """Print on stderr what the table does not say."""
    console, where = Console(stderr=True), printable(listing.folder)
    if listing.runs:
        count = sum(1 if run.seeds is None else len(run.runs) for run in listing.runs)
        total = size_text(sum(run.overview.n_bytes for run in listing.runs))
        console.print(Text(f"{count} run{'' if count == 1 else 's'} in {where}, {total}.", style="dim"))
    else:
        console.print(Text(f"{where} holds no runs yet. Make a first one: decda train"))
    if listing.others:
        holds = "folder holds" if len(listing.others) == 1 else "folders hold"
        named = ", ".join(printable(name) for name in listing.others[:NAMED])
        end = ", ..." if len(listing.others) > NAMED else "."
        console.print(Text(f"{len(listing.others)} other {holds} no run: {named}{end}", style="dim"))
    stopped = [run.overview for run in listing.runs if run.overview.status == INTERRUPTED]
    if stopped:
        again = shlex.quote(printable(stopped[0].folder))
        console.print(Text(f"To go on with {_name(stopped[0])}: decda train --resume {again}"), soft_wrap=True)
    if not verbose and any(run.overview.reason for run in listing.runs):
        console.print(Text("To see why a run has not finished, add --verbose.", style="dim"))
