"""Options of the commands that read a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from models.dataset.roles import Roles
from models.dataset.source import ROWS_MAX

MaybeTable = Annotated[
    Path | None,
    typer.Option("--table", help="CSV (any delimiter; .gz, .xz, .bz2) or Parquet file, one row an outcome.", exists=True, dir_okay=False),
]
Target = Annotated[str, typer.Option("--target", help="Column of the outcome.")]
Positive = Annotated[str, typer.Option("--positive", help="Value of the outcome to forecast; needless where it is yes, true or 1.")]
Group = Annotated[str, typer.Option("--group", help="Column, or columns with commas between, that name the person of a row.")]
Time = Annotated[
    str, typer.Option("--time", help="Column with a row's date, time or number in time: train on the past, test on the future.")
]
Ordered = Annotated[bool, typer.Option("--ordered", help="The rows are in the order of time; instead of --time.")]
Drop = Annotated[str, typer.Option("--drop", help="Columns to leave out, with commas between.")]
Keep = Annotated[str, typer.Option("--keep", help="Columns that seem to state the outcome and are to be used all the same.")]
MaybeSchema = Annotated[
    Path | None,
    typer.Option(
        "--schema", help="Schema file, such as the schema.toml of an earlier training; default: proposed.", exists=True, dir_okay=False
    ),
]
RowsMax = Annotated[int, typer.Option("--rows-max", help="Rows above which a sample is drawn.", min=1_000)]
ROWS = ROWS_MAX


def listed(text: str) -> tuple[str, ...]:
    """The names in a comma-separated option."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def roles_of(target: str, positive: str, group: str, time: str, *, ordered: bool) -> Roles:
    """The columns with a role. Raises BadParameter without a target, or with both kinds of time."""
    if not target:
        raise typer.BadParameter("--table needs --target, the column of the outcome")
    if time and ordered:
        raise typer.BadParameter("give either --time or --ordered")
    return Roles(target, positive, listed(group), time, ordered)
