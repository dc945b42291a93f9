"""CSV tables of the planning tools: a header, and numbers in all columns but, where rows have names, the first."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelsError

FIRST_LINE = 2  # the header is line 1

_Cell = TypeVar("_Cell")


class PlanningError(ModelsError):
    """Input that cannot be used; the message names the place and the remedy."""


class Sheet(msgspec.Struct, frozen=True, eq=False):
    """Named rows and columns; `cells` is float64 (rows, columns), NaN where a cell is empty."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: NDArray[np.float64]


def read_sheet(path: Path, *, blanks: bool = False) -> Sheet:
    """Sheet of a CSV file whose first column names the rows. Empty cells become NaN if `blanks`, otherwise they are an error.

    Raises PlanningError, naming line and column, if the file is not UTF-8, has no header or fewer than two columns, if a line has another
    number of cells than the header, if a cell is not a finite number, or if the name of a row or column occurs twice.
    """
    rows, columns, cells = read_cells(path, parse_number_or_blank if blanks else parse_number)
    return Sheet(rows, columns, np.array(cells, dtype=np.float64))


def read_cells(path: Path, parse: Callable[[str], _Cell]) -> tuple[tuple[str, ...], tuple[str, ...], list[list[_Cell]]]:
    """Rows, columns and parsed cells of a CSV file whose first column names the rows.

    `parse` gets the stripped text of a cell; the text of its ValueError completes "line 2, column 'b' …". Raises PlanningError as
    `read_sheet` does.
    """
    header, lines = read_lines(path)
    columns, rows = header[1:], tuple(line[0].strip() for line in lines)
    _check_unique(path, "row", rows)
    _check_unique(path, "column", columns)
    return rows, columns, [_parsed(path, header, line, range(1, len(header)), row, parse) for row, line in enumerate(lines)]


def column_names(path: Path) -> tuple[str, ...]:
    """Names of all columns of a CSV file. Raises PlanningError as `read_lines` does."""
    return read_lines(path)[0]


def read_items(path: Path, items: Collection[str]) -> tuple[Sheet, tuple[str, ...]]:
    """Sheet of the columns `items` of a CSV file, rows numbered from 1, and the names of the columns left out.

    The first column is a column like any other; empty cells become NaN. Raises PlanningError as `read_sheet` does, and if an item has no
    column.
    """
    header, lines = read_lines(path)
    _check_unique(path, "column", header)
    if missing := [item for item in items if item not in header]:
        raise PlanningError(f"{path} has no column {missing[0]!r}; there are {', '.join(header[:12])}")
    places = [place for place, name in enumerate(header) if name in items]
    cells = [_parsed(path, header, line, places, row, parse_number_or_blank) for row, line in enumerate(lines)]
    names = tuple(header[place] for place in places)
    numbers = tuple(str(number) for number in range(1, len(lines) + 1))
    return Sheet(numbers, names, np.array(cells, dtype=np.float64)), tuple(name for name in header if name not in items)


def read_lines(path: Path) -> tuple[tuple[str, ...], list[list[str]]]:
    """Header and lines of a CSV file: at least one line and two columns, every line as long as the header.

    Raises PlanningError, naming the line, if the file is not UTF-8, is too small, or has a line of another length.
    """
    try:
        lines = [line for line in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if any(cell.strip() for cell in line)]
    except UnicodeDecodeError as error:
        raise PlanningError(f"{path} is not a CSV table in UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8") from error
    except (OSError, csv.Error) as error:
        raise PlanningError(f"{path} cannot be read as CSV ({error})") from error
    if len(lines) < 2 or len(lines[0]) < 2:
        between = [sign for sign in ";\t|" if lines and len(lines[0]) == 1 and sign in lines[0][0]]
        hint = f"; {between[0]!r} seems to separate its columns: use a comma" if between else ""
        raise PlanningError(f"{path} needs a header line, at least one line below it and at least two columns{hint}")
    for number, line in enumerate(lines[1:], start=FIRST_LINE):
        if len(line) != len(lines[0]):
            raise PlanningError(f"{path}: line {number} has {len(line)} cells, the header {len(lines[0])}")
    return tuple(cell.strip() for cell in lines[0]), lines[1:]


def write_sheet(path: Path, header: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    """Write a CSV file; floats have six significant digits."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in line] for line in lines)


def parse_number(text: str) -> float:
    """Value of a cell: a finite number, or a comparison such as 1/3. Raises ValueError for any other text."""
    if not text:
        raise ValueError("is empty: fill it in, or leave the line out")
    above, _, below = text.partition("/")
    try:
        value = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"holds {text[:40]!r}, which is not a number") from None
    if not math.isfinite(value):
        raise ValueError(f"holds {text[:40]!r}, which is not a finite number")
    return value


def parse_number_or_blank(text: str) -> float:
    """Value of a cell as `parse_number` reads it; NaN if the cell is empty. Raises ValueError as `parse_number` does."""
    return parse_number(text) if text else math.nan


def _check_unique(path: Path, kind: str, names: Sequence[str]) -> None:
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise PlanningError(f"{path}: the {kind} {repeated[0]!r} occurs twice")


def _parsed(
    path: Path, header: Sequence[str], line: Sequence[str], places: Iterable[int], row: int, parse: Callable[[str], _Cell]
) -> list[_Cell]:
    cells = []
    for place in places:
        try:
            cells.append(parse(line[place].strip()))
        except ValueError as error:
            raise PlanningError(f"{path}: line {row + FIRST_LINE}, column {header[place]!r} {error}") from None
    return cells
