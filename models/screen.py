"""Output of all commands: tables and lines of text, or one JSON object, and progress.

Results go to the standard output, progress and warnings to the standard error, so that a pipe gets results only. Text from
a table is printed literally: a name in square brackets is no markup.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from models.measures import Interval

LINE_EVERY_S = 1.0
_WIDTH = 200  # characters a line in a file or a pipe, which have no window


def print_json(value: object) -> None:
    """Print one line of JSON on the standard output."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Print one line of text on the standard output."""
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning as one line on the standard error."""
    Console(stderr=True).print(f"warning: {text}", style="yellow", markup=False, highlight=False, soft_wrap=True)


def complain(error: Exception) -> None:
    """Print an error as one line on the standard error."""
    text = " ".join(str(error).split())
    Console(stderr=True).print(f"error: {text}", style="red", markup=False, highlight=False, soft_wrap=True)


def show(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: texts are aligned to the left, numbers to the right."""
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
    """Refused rows by reason as text; "none" if there are none."""
    return ", ".join(f"{reason} {rows:,}" for reason, rows in sorted(refused.items()) if rows) or "none"


def interval_text(of: Interval, places: int = 4) -> str:
    """A figure and its interval as text."""
    return f"{of.value:.{places}f} ({of.low:.{places}f} … {of.high:.{places}f})"


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show the text `what` on the standard error while the block runs: a spinner, or one line where that is a file."""
    console = Console(stderr=True)
    if not console.is_terminal:
        _line(console, f"{what} …")
        yield
        return
    with console.status(what):
        yield


@contextmanager
def progressing(what: str, steps: int, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[str], None]]:
    """Show the progress of `steps` on the standard error; the yielded function takes a step's name and advances it.

    A bar, or where the standard error is a file a line at the start and then at most one per LINE_EVERY_S.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        _line(console, f"{what}: {steps} steps")
        yield _stepping_lines(console, steps, clock)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=steps)
        yield lambda name: progress.update(task, advance=1, description=name)


def _stepping_lines(console: Console, steps: int, clock: Callable[[], float]) -> Callable[[str], None]:
    began = clock()
    done, last_s = 0, 0.0

    def step(name: str) -> None:
        nonlocal done, last_s
        done += 1
        elapsed_s = clock() - began
        if elapsed_s - last_s >= LINE_EVERY_S:
            last_s = elapsed_s
            _line(console, f"{name}: {done} of {steps}, {elapsed_s:.0f} s")

    return step


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _cell(value: object) -> str:
    match value:
        case bool() | str():
            return str(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.0f}"
    return str(value)
