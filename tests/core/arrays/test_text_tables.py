"""Tables in text files are read, and every problem is told with its line."""

from io import StringIO
from typing import Any

import numpy as np
import pytest

from decda.core.arrays import text_tables
from decda.core.arrays.text_tables import read_classes, read_table
from decda.core.errors import DataError

GRID = [[1.5, -2.0, 3e-3], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]


def written(delimiter: str, *, header: str = "", end: str = "\n") -> StringIO:
    lines = [header] * bool(header) + [delimiter.join(map(repr, row)) for row in GRID]
    return StringIO(end.join(lines) + end, newline=None)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", " ", "   ", ", "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n"])
def test_separators_and_ends_of_lines(delimiter: str, end: str) -> None:
    """Commas, semicolons, tabs and blanks are told apart; ends of lines of every system are read."""
    numbers, classes = read_table(written(delimiter, end=end))
    assert (numbers.tolist(), classes) == (GRID, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n3,4\n", [[1, 2], [3, 4]]),
        ('"a, b",c\n"1","2"\n3,4\n', [[1, 2], [3, 4]]),
        ("a;b;c\n1;2;3\n4;5;6", [[1, 2, 3], [4, 5, 6]]),
        ("# made by somebody\n1 2\n# more\n\n3 4\n", [[1, 2], [3, 4]]),
        ("1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("x1,2\n3,4\n5,6\n", [[3, 4], [5, 6]]),
        ("0,1,2,3,4\n9,8,7,6,5\n", [[9, 8, 7, 6, 5]]),
        ("0,1,2\n9,8,7\n", [[0, 1, 2], [9, 8, 7]]),
        (",0,1,2,3\n0,9,8,7,6\n1,5,4,3,2\n", [[9, 8, 7, 6], [5, 4, 3, 2]]),
        (",a,b\n0,9,8\n1,5,4\n", [[9, 8], [5, 4]]),
        (",a,b\n7,9,8\n9,5,4\n", [[7, 9, 8], [9, 5, 4]]),
        ("a,b\nTrue,2\nfalse,3\n", [[1, 2], [0, 3]]),
        ("5\n6\n7\n", [[5], [6], [7]]),
        (" 1.0 , 2\n 3,4 \n", [[1, 2], [3, 4]]),
    ],
)
def test_tables(text: str, expected: Any) -> None:
    """Names of columns, quotes, comments, empty lines, truth values and pandas' row numbers are understood."""
    numbers, classes = read_table(StringIO(text))
    assert (numbers.tolist(), classes) == (expected, None)


@pytest.mark.parametrize(
    ("text", "expected", "classes"),
    [
        ("a,y\n1,5\n2,3\n", [[1], [2]], [5, 3]),
        ("Label,a,b\ncat,1,2\ndog,3,4\n", [[1, 2], [3, 4]], ["cat", "dog"]),
        ("a;Class;b\n1;1;2\n3;x;4\n", [[1, 2], [3, 4]], ["1", "x"]),
        (",a,target\n0,5,0\n1,6,1\n", [[5], [6]], [0, 1]),
        ('a,labels\n1,"big, gray"\n2,small\n', [[1], [2]], ["big, gray", "small"]),
        ("a,y\n1,1_0\n2,nan_\n", [[1], [2]], ["1_0", "nan_"]),
    ],
)
def test_classes_of_a_table(text: str, expected: Any, classes: Any) -> None:
    """A column that is called as classes are holds them, and is no feature."""
    numbers, found = read_table(StringIO(text))
    assert numbers.tolist() == expected
    assert found is not None
    assert found.tolist() == classes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("\n\n# nothing\n", "it is empty"),
        ("a,b\n", "no rows, only the names"),
        ("1,2\n3\n", "line 2 holds 1 values, the first line 2"),
        ("a,b\n\n1,2\n3,4,5\n", "line 4 holds 3 values, the first line 2"),
        ("a,b\n1,2\n3,\n", "line 3: the value of column 'b' is missing"),
        ("1,2\nNA,3\n", "line 2: the value of column 1 is missing"),
        ("y,a,b\n1,2,3\n1,2,nan\n", "line 3: the value of column 'b' is missing"),
        ("a,b\n1,2\n1,-inf\n", "line 3: the value of column 'b' is infinite"),
        ("a,b\n1,2\n1,x\n", "line 3: the value of column 'b', 'x', is not a number"),
        ("a,b\n1,2\n1,1_0\n", "'1_0', is not a number"),
        ("name,a,city\nAnn,1,Rome\n", "columns 'name', 'city' hold texts, such as 'Ann'; leave them out"),
        ("Ann,1\nBob,2\n", "column 1 holds texts, such as 'Ann'; leave it out. A column of classes is called 'y'"),
        ("a;b\n1,5;2,5\n", "line 2: 1,5 has a decimal comma"),
        ("a,y,label\n1,2,3\n", "columns 'y' or 'label' are all called as classes are"),
        ("a,y\n1,\n", "line 2 holds no class in column 'y'"),
        ("y\n1\n2\n", "no columns of numbers besides its classes"),
        ("a,b\n" + "x" * 500 + ",1\n", "column 'a' holds texts, such as 'x{40}'"),
        ("\0\0\n\0\0\n", "hold"),
    ],
)
def test_what_is_wrong_in_a_table(text: str, says: str) -> None:
    """The error names line and column, by its name or number."""
    with pytest.raises(DataError, match=says):
        read_table(StringIO(text))


def test_long_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line without an end does not fill the memory."""
    monkeypatch.setattr(text_tables, "MAX_LINE", 100)
    with pytest.raises(DataError, match="line 2 has more than 100 characters"):
        read_table(StringIO("1,2\n" + "1" * 1000))


def test_many_rows() -> None:
    """The line of a problem is right in a long table, too; equal numbers are read as NumPy reads them."""
    table = np.random.default_rng(0).random((3000, 3))
    lines = [",".join(map(repr, row)) for row in table.tolist()]
    numbers, _ = read_table(StringIO("\n".join(lines)))
    np.testing.assert_array_equal(numbers, table)
    lines[2500] = "1,nan,2"
    with pytest.raises(DataError, match="line 2501: the value of column 2 is missing"):
        read_table(StringIO("\n".join(lines)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat\ndog\n\n\n", ["cat", "dog"]),
        ("ankle boot\nbag\n", ["ankle boot", "bag"]),
        ("3\n5\n3\n", [3, 5, 3]),
        ("Label\n3\n5\n", [3, 5]),
        ('"a"\n"b"\n', ["a", "b"]),
        ("name,y\na.png,3\nb.png,5\n", [3, 5]),
        ("y\tname\ncat\ta\n", ["cat"]),
        ("#1\n#2\n", ["#1", "#2"]),
        ("a,b\nc\n", ["a,b", "c"]),
        ("inf\n1\n", ["inf", "1"]),
    ],
)
def test_classes(text: str, expected: Any) -> None:
    """A file of classes holds one per line, below a name or not, or a column that is called as classes are."""
    assert read_classes(StringIO(text)).tolist() == expected


def test_line_breaks_between_quotes() -> None:
    """A name that holds line breaks, commas or quotes is one value; what follows it is found, and its line is named."""
    rows = 'name,label\n"a\nb",3\n"\n\n, ""c""",5\nd,3\n'
    assert read_classes(StringIO(rows)).tolist() == [3, 5, 3]
    with pytest.raises(DataError, match="line 8 holds no class"):
        read_classes(StringIO(rows + '"e\nf",\n'))
    with pytest.raises(DataError, match="line 2 cannot be read: field larger than"):
        read_classes(StringIO('name,label\n"a,3\n' + "b,3\n" * 40_000))


def test_rows_in_another_order() -> None:
    """Where order counts, a column `index` must number the rows from 0; elsewhere it is a column like any other."""
    ordered, other, short = "index,label\n0,a\n1,b\n", "index,label\n1,a\n0,b\n", "label,index\na,0\nb\n"
    assert read_classes(StringIO(ordered), in_order=True).tolist() == ["a", "b"]
    assert read_classes(StringIO(other)).tolist() == ["a", "b"]
    with pytest.raises(DataError, match="line 2 has the index '1', not 0: the column 'index' must number the images"):
        read_classes(StringIO(other), in_order=True)
    with pytest.raises(DataError, match="line 3 has the index '', not 1"):
        read_classes(StringIO(short), in_order=True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("\n \n", "it is empty"),
        ("y\n", "holds no classes"),
        ("cat\n\ndog\n", "line 2 holds no class"),
        ("cat\nNaN\ndog\n", "line 2 holds no class"),
        ("1,2\n3,4\n", "each line holds 2 values, and none of them is called 'y', 'label'"),
        ("y,label\n3,4\n", "more than one of them is called"),
        ("a,y\n1,2\n3\n", "line 3 holds no class"),
    ],
)
def test_what_is_wrong_with_classes(text: str, says: str) -> None:
    """The error says which line holds no class."""
    with pytest.raises(DataError, match=says):
        read_classes(StringIO(text))
