"""Tables from and to CSV files, as people keep them: a header, a name in the first column, numbers in the rest."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelsError


class PlanningError(ModelsError):
    """What was given cannot be planned with; the text names the place and the way out."""


class Sheet(msgspec.Struct, frozen=True, eq=False):
    """Named rows and columns; `cells` is float64 (rows, columns), NaN where a cell is empty."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: NDArray[np.float64]


def read_sheet(path: Path, *, blanks: bool = False) -> Sheet:
    """The sheet in a CSV file. Raises PlanningError naming line and column; empty cells only where `blanks` allows them."""
    try:
        lines = [line for line in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if any(cell.strip() for cell in line)]
    except UnicodeDecodeError as error:
        raise PlanningError(f"{path} is not a CSV table in UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8") from error
    except (OSError, csv.Error) as error:
        raise PlanningError(f"{path} cannot be read as CSV ({error})") from error
    if len(lines) < 2 or len(lines[0]) < 2:
        between = [sign for sign in ";\t|" if lines and len(lines[0]) == 1 and sign in lines[0][0]]
        hint = f"; {between[0]!r} seems to separate its columns, and a comma should" if between else ""
        raise PlanningError(f"{path} needs a header line and at least one line of figures, the first column being names{hint}")
    columns = tuple(cell.strip() for cell in lines[0][1:])
    rows: list[str] = []
    cells: list[list[float]] = []
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(columns) + 1:
            raise PlanningError(f"{path}: line {number} has {len(line)} cells, the header {len(columns) + 1}")
        rows.append(line[0].strip())
        cells.append(
            [_number(cell, f"{path}: line {number}, column {name!r}", blanks) for cell, name in zip(line[1:], columns, strict=True)]
        )
    for what, names in (("row", rows), ("column", columns)):
        if twice := next((name for name in names if list(names).count(name) > 1), None):
            raise PlanningError(f"{path}: the {what} {twice!r} stands twice")
    return Sheet(tuple(rows), columns, np.array(cells, dtype=np.float64))


def write_sheet(path: Path, header: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    """A CSV file; figures with six significant digits."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in line] for line in lines)


def _number(cell: str, where: str, blanks: bool) -> float:  # noqa: FBT001 - passed on as it came
    text = cell.strip()
    if not text:
        if blanks:
            return math.nan
        raise PlanningError(f"{where} is empty; fill it in, or leave the line out")
    above, _, below = text.partition("/")  # comparisons are written as 1/3
    try:
        value = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        raise PlanningError(f"{where} holds {text[:40]!r}, which is no number") from None
    if not math.isfinite(value):
        raise PlanningError(f"{where} holds {text[:40]!r}, which is no finite number")
    return value
