"""`wayside-models boards`: our figures beside published ones and beside plain boosting, computed anew on public tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from models.boards import runner
from models.boards.board import Board, Line
from models.measures import Interval
from models.screen import counts_text, print_json, progressing, say, show


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """A line as machines get it: with what follows from it."""

    board: Board
    reached: dict[str, bool | None]
    gaps: dict[str, float]


def boards(
    data: Annotated[Path, typer.Option(help="Folder that holds the tables, one folder each.", exists=True, file_okay=False)],
    *,
    only: Annotated[list[str] | None, typer.Option(help="Run this board only; may be given several times.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same tables, same tools: same figures.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 when a target is missed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line and board, for machines.")] = False,
) -> None:
    """Run the public boards and print ours beside what was published and beside untuned boosting.

    Every figure has its 95 % interval over what is independent (sessions, respondents, days, customers, households). A
    target that is not reached is printed with its gap.
    """
    names = runner.chosen(data, only or ())
    done: list[Board] = []
    with progressing("boards", runner.steps_of(names)) as step:
        for board in runner.run(data, names, seed, step):
            done.append(board)
            if as_json:
                print_json(_told(board))
            else:
                show_board(board)
    missed = [f"{board.name}: {line.figure}" for board in done for line in board.lines if line.reached is False]
    if not as_json:
        _summary(done, missed)
    if strict and missed:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Give the command to the workstation's command line."""
    app.command(epilog="Example: [b]wayside-models boards --data ../shared/data --only hillstrom[/b]")(boards)


def show_board(board: Board) -> None:
    """One board as a table, with what is to be known of it."""
    columns = {name: texts for name, texts in _columns(board).items() if any(texts)}
    show(board.title, tuple(columns), zip(*columns.values(), strict=True))
    rate = "" if board.base_rate is None else f"; base rate {board.base_rate:.4f}"
    used = f"{board.counts.rows_in:,} rows in, {board.counts.rows_used:,} used; refused: {counts_text(board.counts.refused)}{rate}"
    cost = f"{board.seconds:.0f} s, peak {board.megabytes_peak:.0f} MB"
    for text in (used, f"{board.protocol}; unit of the intervals: {board.unit}", *board.notes, cost):
        say(f"  {text}")
    say("")


def _summary(done: list[Board], missed: list[str]) -> None:
    targets = sum(line.target is not None for board in done for line in board.lines)
    cost = f"{sum(board.seconds for board in done):.0f} s, peak {max(board.megabytes_peak for board in done):.0f} MB"
    text = f"{len(done)} boards, {targets - len(missed)} of {targets} targets reached, {cost}"
    say(text + (f"; missed: {'; '.join(missed)}" if missed else ""))


def _told(board: Board) -> _Told:
    return _Told(
        board=board,
        reached={line.figure: line.reached for line in board.lines},
        gaps={line.figure: line.gap for line in board.lines if line.gap is not None},
    )


def _columns(board: Board) -> dict[str, list[str]]:
    """The table's columns; one that says nothing stays empty."""
    others = list(dict.fromkeys(name for line in board.lines for name in line.others))
    return {
        "figure": [line.figure for line in board.lines],
        "ours (95 %)": [_text(line.ours) for line in board.lines],
        "published": [_published(line) for line in board.lines],
        "untuned boosting": [_text(line.untuned) for line in board.lines],
        "above untuned": [_text(line.above_untuned) for line in board.lines],
        **{name: [_text(line.others.get(name)) for line in board.lines] for name in others},
        "target": [_verdict(line) for line in board.lines],
    }


def _published(line: Line) -> str:
    return "" if line.published is None else f"{_number(line.published)} ({line.published_by})"


def _verdict(line: Line) -> str:
    if line.target is None:
        return ""
    at_least = f"{'surely ' if line.surely else ''}{'≥' if line.within is None else '='} {_number(line.target)}"
    return f"{at_least}: reached" if line.gap is None else f"{at_least}: gap {_number(abs(line.gap))}"


def _text(interval: Interval | None) -> str:
    if interval is None:
        return ""
    if interval.low == interval.high:
        return _number(interval.value)
    return f"{_number(interval.value)} ({_number(interval.low)} … {_number(interval.high)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() and abs(value) >= 100 else f"{value:.4f}" if abs(value) < 1 else f"{value:.3f}"
