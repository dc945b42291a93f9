"""Tables for other programs: CSV, JSON and Parquet of the same rows, each at the address of its page."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_type_hints

import msgspec
from fastapi import Response

from dashboard.estimates import Estimate, Share
from dashboard.parquet import parquet

FORMATS = ("csv", "json", "parquet")
Row = Mapping[str, str | int | float | None]


class Table(NamedTuple):
    """Columns with their type (str, int or float), and rows each with a value or None for each column."""

    columns: Mapping[str, type]
    rows: Sequence[Row]


def table_of(kind: type[msgspec.Struct], values: Sequence[msgspec.Struct]) -> Table:
    """The structs of one type as a table; the two columns of an estimate or share are the value and half of the 95 % interval."""
    columns: dict[str, type] = {}
    for name, hint in get_type_hints(kind).items():
        of = _plain_type(hint)
        columns |= {name: float, f"{name}_plus_minus": float} if of is tuple else {name: of}
    return Table(columns, [_row(one) for one in values])


def answer(table: Table, name: str, suffix: str) -> Response:
    """The table as a file `name.suffix`, one of FORMATS."""
    if suffix == "json":
        return Response(msgspec.json.encode(table.rows), media_type="application/json")
    headers = {"Content-Disposition": f'attachment; filename="{name}.{suffix}"'}
    if suffix == "parquet":
        return Response(parquet(table.columns, table.rows), media_type="application/vnd.apache.parquet", headers=headers)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(table.columns), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in table.rows)
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _cell(value: object) -> object:
    """A value for a spreadsheet: formulas become texts."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _plain_type(hint: Any) -> type:
    """str, int or float; tuple for an estimate or a share."""
    options = [one for one in getattr(hint, "__args__", (hint,)) if one is not type(None)]
    if options[0] in (Estimate, Share):
        return tuple
    return options[0] if options[0] in (int, float) else str


def _row(one: msgspec.Struct) -> Row:
    row: dict[str, Any] = {}
    for name, hint in get_type_hints(type(one)).items():
        value = getattr(one, name)
        if _plain_type(hint) is tuple:
            row[name] = None if value is None else round(value.value, 4)
            row[f"{name}_plus_minus"] = None if value is None else round(value.margin, 4)
        else:
            row[name] = value
    return row
