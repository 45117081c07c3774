"""Tables of numbers from text files, as spreadsheets and data frames write them; every problem with its line.

Values stand between commas, semicolons, tabs or blanks. A first line of names is recognised, as is a column of classes
by its name, and the column that pandas numbers rows by, which is left out.
"""

import csv
import re
from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from decda.core.errors import DataError

LABELS = ("y", "label", "labels", "class", "target")
"""What a column of classes is called, in lower or upper case."""
INDEX = "index"
"""What the column is called that numbers images from 0 in the files of labels that decda writes."""
MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?")
"""How values that are missing are written."""
TRUTH = {"true": 1.0, "false": 0.0}
MAX_LINE = 2**25
"""Most characters of a line."""
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def read_table(text: TextIO) -> tuple[NDArray[np.float64], NDArray[np.generic] | None]:
    r"""Read a table of numbers.

    Args:
        text: lines of equal numbers of values; empty ones, and those that begin with `#`, are passed over.

    Returns:
        The numbers (N, D) without the column of classes; and the classes (N,), numbers or texts, None where no column
        is called `y`, `label`, `labels`, `class` or `target`.

    Raises:
        DataError: a value is missing or no number, lines differ in length, or there is nothing in it. The message goes
            behind the name of the file.

    Example:
        >>> from io import StringIO
        >>> numbers, classes = read_table(StringIO("a,b,label\n1,2,cat\n3,4,dog\n"))
        >>> numbers.tolist(), classes.tolist()
        ([[1.0, 2.0], [3.0, 4.0]], ['cat', 'dog'])
    """
    lines = _lines(text)
    first = list(islice(lines, 2))
    if not first:
        raise DataError("it is empty")
    delimiter = _delimiter([line for _, line in first])
    rows = [_split(line, delimiter) for _, line in first]
    names = rows[0] if _is_header(rows) else None
    table = _Table(names, len(rows[0]), delimiter)
    for number, line in first[0 if names is None else 1 :]:
        table.add(number, line)
    for number, line in lines:
        table.add(number, line)
    return table.finish()


def read_classes(text: TextIO, *, in_order: bool = False) -> NDArray[np.generic]:
    r"""Read one class per line, or the column of classes of a table.

    Args:
        text: a line for each image; of a table, a text between quotes may hold line breaks.
        in_order: whether a column called `index`, if there is one, must number the rows from 0, as decda writes it.

    Returns:
        Numbers or texts (N,).

    Raises:
        DataError: a line is empty, or holds several values of which none is called as classes are; or rows are not in
            the order of their index. The message goes behind the name of the file.

    Example:
        >>> from io import StringIO
        >>> read_classes(StringIO("label\ncat\ndog\n")).tolist()
        ['cat', 'dog']
    """
    lines = [line.strip() for line in _all_lines(text)]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise DataError("it is empty")
    delimiter = next((d for d in "\t;," if _is_table(lines, d)), None)
    if delimiter is None:
        rows = [(n, [line] if '"' not in line else _split(line, ",")) for n, line in enumerate(lines, 1)]
    else:
        rows = list(_records(lines, delimiter))
    header = [name.strip().lower() for name in rows[0][1]]
    columns = [position for position, name in enumerate(header) if name in LABELS]
    if len(header) > 1 and len(columns) != 1:
        raise DataError(
            f"each line holds {len(header)} values, and {'none' if not columns else 'more than one'} of them is called "
            f"{_quoted(LABELS)} in its first line; give one class per line"
        )
    column = columns[0] if columns else 0
    index = header.index(INDEX) if in_order and columns and INDEX in header else None
    found: list[str] = []
    for number, row in rows[1 if columns else 0 :]:
        if column >= len(row) or row[column].strip().lower() in MISSING[:-2]:
            raise DataError(f"line {number} holds no class")
        place = None if index is None else row[index].strip() if index < len(row) else ""
        if place not in (None, str(len(found))):
            raise DataError(
                f"line {number} has the index {place[:40]!r}, not {len(found)}: the column '{INDEX}' must number the "
                "images from 0, in their order"
            )
        found.append(row[column].strip())
    if not found:
        raise DataError("it holds no classes")
    return _as_classes(found)


class _Table:
    """The rows of a table that were read so far."""

    def __init__(self, names: Sequence[str] | None, width: int, delimiter: str):
        self.names = None if names is None else [name.strip() for name in names]
        self.width, self.delimiter = width, delimiter
        classes = [i for i, name in enumerate(self.names or ()) if name.lower() in LABELS]
        if len(classes) > 1:
            listed = _quoted(str(self.names[i]) for i in classes) if self.names else ""
            raise DataError(f"the columns {listed} are all called as classes are; keep one of them")
        self.column = classes[0] if classes else None
        self.numbers, self.lines, self.classes = array("d"), array("q"), list[str]()

    def add(self, number: int, line: str) -> None:
        values = _split(line, self.delimiter)
        if len(values) != self.width:
            raise DataError(f"line {number} holds {len(values)} values, the first line {self.width}")
        if self.column is not None:
            label = values.pop(self.column).strip()
            if label.lower() in MISSING[:-2]:
                raise DataError(f"line {number} holds no class in column {self._name(self.column)}")
            self.classes.append(label)
        try:
            if "_" in line:  # which Python takes as part of a number
                raise ValueError
            self.numbers.extend(list(map(float, values)))
        except ValueError:
            self.numbers.extend(self._read_one_by_one(number, values))
        self.lines.append(number)

    def finish(self) -> tuple[NDArray[np.float64], NDArray[np.generic] | None]:
        n, width = len(self.lines), self.width - (self.column is not None)
        if not n:
            raise DataError("it holds no rows, only the names of columns")
        table = np.frombuffer(self.numbers, dtype=np.float64).reshape(n, width) if width else np.empty((n, 0))
        for start in range(0, n, 1024):
            bad = np.argwhere(~np.isfinite(table[start : start + 1024]))
            if len(bad):
                row, column = bad[0].tolist()
                value = "is missing" if np.isnan(table[start + row, column]) else "is infinite"
                raise DataError(
                    f"line {self.lines[start + row]}: the value of column {self._name(column, True)} {value}"
                )
        if self._numbers_rows(table):
            table = table[:, 1:]
        if not table.shape[1]:
            raise DataError("it holds no columns of numbers besides its classes")
        return table, _as_classes(self.classes) if self.column is not None else None

    def _numbers_rows(self, table: NDArray[np.float64]) -> bool:
        """Whether the first column is the one that pandas numbers rows by: it has no name."""
        unnamed = self.names is not None and self.names[0] in ("", "Unnamed: 0") and self.column != 0
        return unnamed and np.array_equal(table[:, 0], np.arange(len(table)))

    def _read_one_by_one(self, number: int, values: Sequence[str]) -> list[float]:
        """Read the values of a line of which one at least is no number to Python."""
        read, texts = [], []
        for column, value in enumerate(values):
            value = value.strip()
            if value.lower() in MISSING:
                raise DataError(
                    f"line {number}: the value of column {self._name(column, True)} is missing; fill it in, or "
                    "leave out that row"
                )
            if _is_number(value):
                read.append(TRUTH[value.lower()] if value.lower() in TRUTH else float(value))
            else:
                texts.append(column)
        if not texts:
            return read
        value = values[texts[0]].strip()
        if DECIMAL_COMMA.fullmatch(value):
            raise DataError(f"line {number}: {value} has a decimal comma; write numbers with points")
        if self.lines:
            raise DataError(
                f"line {number}: the value of column {self._name(texts[0], True)}, {value[:40]!r}, is not a number"
            )
        names = ", ".join(self._name(column, True) for column in texts[:10]) + (", ..." if len(texts) > 10 else "")
        raise DataError(
            f"column{'s' if len(texts) > 1 else ''} {names} hold{'s' if len(texts) == 1 else ''} texts, such as "
            f"{value[:40]!r}; leave {'them' if len(texts) > 1 else 'it'} out. A column of classes is called "
            f"{_quoted(LABELS)}"
        )

    def _name(self, column: int, without_classes: bool = False) -> str:
        if without_classes and self.column is not None and column >= self.column:
            column += 1
        name = self.names[column][:60] if self.names else ""
        return repr(name) if name else str(column + 1)


def _all_lines(text: TextIO) -> Iterator[str]:
    """The lines of a text, none of which is very long."""
    number = 0
    while line := text.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise DataError(f"line {number} has more than {MAX_LINE} characters")
        yield line


def _is_table(lines: Sequence[str], delimiter: str) -> bool:
    """Whether each of the first two rows holds several values between such delimiters."""
    try:
        return all(len(row) > 1 for _, row in islice(_records(lines, delimiter), 2))
    except DataError:
        return len(_split(lines[0], delimiter)) > 1


def _records(lines: Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table, each with the number of its first line; a quoted text may go on over several lines."""
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, skipinitialspace=True)
    first = 1
    try:
        for row in reader:
            yield first, row
            first = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"line {first} cannot be read: {error}") from error


def _lines(text: TextIO) -> Iterator[tuple[int, str]]:
    """The lines that hold something, with their numbers from 1."""
    for number, line in enumerate(_all_lines(text), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.rstrip("\r\n")


def _delimiter(lines: Sequence[str]) -> str:
    """What separates values: that which divides the first two lines into equally many."""
    for delimiter in "\t;,":
        counts = {len(_split(line, delimiter)) for line in lines}
        if len(counts) == 1 and counts != {1}:
            return delimiter
    return next((d for d in "\t;," if d in lines[0]), " ")


def _split(line: str, delimiter: str) -> list[str]:
    if '"' in line:
        try:
            return next(csv.reader([line], delimiter=delimiter, skipinitialspace=delimiter == " "))
        except (csv.Error, StopIteration):
            pass
    return line.split() if delimiter == " " else line.split(delimiter)


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first of two lines holds names: texts where the next one has numbers, or nothing but texts."""
    first = [value.strip() for value in rows[0]]
    texts = [i for i, value in enumerate(first) if value.lower() not in MISSING and not _is_number(value)]
    if not texts:
        counted = first[1:] if first[0] == "" else first  # the names that pandas gives to columns without any
        return len(counted) > 3 and counted == [str(i) for i in range(len(counted))]
    if not any(_is_number(value) for value in first):
        return True
    return len(rows) > 1 and any(i < len(rows[1]) and _is_number(rows[1][i].strip()) for i in texts)


def _is_number(value: str) -> bool:
    if value.lower() in TRUTH:
        return True
    try:
        float(value)
    except ValueError:
        return False
    return "_" not in value


def _as_classes(found: Sequence[str]) -> NDArray[np.generic]:
    """Numbers if all of them are, else texts."""
    try:
        if any("_" in value for value in found):
            raise ValueError
        numbers = np.array([float(value) for value in found])
    except ValueError:
        return np.array(found)
    return numbers if np.isfinite(numbers).all() else np.array(found)


def _quoted(names: Sequence[str] | Iterator[str]) -> str:
    *others, last = [f"'{name}'" for name in names]
    return f"{', '.join(others)} or {last}" if others else last
