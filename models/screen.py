"""How every command of the workstation speaks: tables and lines for people, one JSON object for machines, progress aside.

Results go to the standard output, signs of life and warnings to the standard error, so that a pipe gets results only. What
came from a table is printed as it is: a name in square brackets is no markup.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from models.measures import Interval

_WIDTH = 200  # of what goes to a file or a pipe, where nobody's window cuts a table off


def print_json(value: object) -> None:
    """One JSON object, a line of its own, on the standard output."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """One line for people."""
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """One line on the standard error: the command goes on."""
    Console(stderr=True).print(f"warning: {text}", style="yellow", markup=False, highlight=False, soft_wrap=True)


def complain(error: Exception) -> None:
    """One line on the standard error: the command ends."""
    text = " ".join(str(error).split())
    Console(stderr=True).print(f"error: {text}", style="red", markup=False, highlight=False, soft_wrap=True)


def show(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people: texts to the left, numbers to the right."""
    listed = [[_cell(value) for value in row] for row in rows]
    table = Table(title=escape(title), title_justify="left")
    for place, name in enumerate(header):
        numeric = bool(listed) and all(row[place][:1] in "-0123456789" for row in listed)
        table.add_column(escape(name), justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        table.add_row(*(escape(cell) for cell in row))
    screen = Console()
    (screen if screen.is_terminal else Console(width=_WIDTH)).print(table)


def counts_text(refused: Mapping[str, int]) -> str:
    """Rows refused by reason, in words."""
    return ", ".join(f"{reason} {rows:,}" for reason, rows in sorted(refused.items()) if rows) or "none"


def interval_text(of: Interval, places: int = 4) -> str:
    """A figure and its interval."""
    return f"{of.value:.{places}f} ({of.low:.{places}f} … {of.high:.{places}f})"


@contextmanager
def working(what: str) -> Iterator[None]:
    """A sign of life on the standard error, gone when done."""
    with Console(stderr=True).status(what):
        yield


@contextmanager
def progressing(what: str, steps: int) -> Iterator[Callable[[str], None]]:
    """A bar of `steps` on the standard error; what is yielded is called once a step with its name."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=steps)
        yield lambda name: progress.update(task, advance=1, description=name)


def _cell(value: object) -> str:
    match value:
        case bool() | str():
            return str(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.0f}"
    return str(value)
