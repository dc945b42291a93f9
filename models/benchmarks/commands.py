"""`wayside-models boards`: run the public benchmarks and print our figures beside published ones and untuned boosting."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from models.benchmarks import runner
from models.benchmarks.benchmark import Benchmark, Line
from models.measures import Interval
from models.screen import counts_text, print_json, progressing, say, show


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    """A benchmark as JSON: by figure, whether its target is reached, and the gaps."""

    benchmark: Benchmark
    reached: dict[str, bool | None]
    gaps: dict[str, float]


def run_benchmarks(
    data: Annotated[Path, typer.Option(help="Folder of the public data sets, one subfolder each.", exists=True, file_okay=False)],
    *,
    only: Annotated[list[str] | None, typer.Option(help="Run only this benchmark; repeatable.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed, for reproducible results.")] = 0,
    aside: Annotated[
        bool,
        typer.Option("--aside", help="Put rows aside before anything is chosen, and compare the intervals of the rest with these."),
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 if a target is missed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line per benchmark instead of tables.")] = False,
) -> None:
    """Run the public benchmarks and print the results beside published ones and those of gradient boosting with default settings.

    Every figure has a 95 % interval for new units (sessions, respondents, days, customers, households). A target that is missed is
    printed with its gap. With --aside, a third of the units (of the bank's calls the last third) is put aside by a salted hash before any
    choice; each line then has the interval expected there, the figure there, and whether it is inside.
    """
    names = runner.chosen(data, only or ())
    done: list[Benchmark] = []
    with progressing("boards", runner.steps_of(names)) as step:
        for benchmark in runner.run(data, names, seed, step, aside=aside):
            done.append(benchmark)
            if as_json:
                print_json(_report(benchmark))
            else:
                show_benchmark(benchmark)
    missed = [f"{benchmark.name}: {line.figure}" for benchmark in done for line in benchmark.lines if line.reached is False]
    if not as_json:
        _summary(done, missed)
    if strict and missed:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("boards", epilog="Example: [b]wayside-models boards --data ../shared/data --only hillstrom[/b]")(run_benchmarks)


def show_benchmark(benchmark: Benchmark) -> None:
    """Print one benchmark as a table with its notes."""
    columns = {name: texts for name, texts in _columns(benchmark).items() if any(texts)}
    show(benchmark.title, tuple(columns), zip(*columns.values(), strict=True))
    rate = "" if benchmark.base_rate is None else f"; base rate {benchmark.base_rate:.4f}"
    used = (
        f"{benchmark.counts.rows_in:,} rows in, {benchmark.counts.rows_used:,} used; refused: {counts_text(benchmark.counts.refused)}{rate}"
    )
    cost = f"{benchmark.seconds:.0f} s, peak {benchmark.megabytes_peak:.0f} MB"
    for text in (used, f"{benchmark.protocol}; unit of the intervals: {benchmark.unit}", *benchmark.notes, cost):
        say(f"  {text}")
    say("")


def _summary(done: list[Benchmark], missed: list[str]) -> None:
    targets = sum(line.target is not None for benchmark in done for line in benchmark.lines)
    cost = f"{sum(benchmark.seconds for benchmark in done):.0f} s, peak {max(benchmark.megabytes_peak for benchmark in done):.0f} MB"
    text = f"{len(done)} benchmarks, {targets - len(missed)} of {targets} targets reached, {cost}"
    say(text + (f"; missed: {'; '.join(missed)}" if missed else ""))
    checked = [(benchmark.name, line) for benchmark in done for line in benchmark.lines if line.covered is not None]
    if checked:
        outside = [f"{name}: {line.figure}" for name, line in checked if not line.covered]
        narrow = sum(line.ours.low <= line.aside <= line.ours.high for _, line in checked if line.aside is not None)
        text = f"put aside: {len(checked) - len(outside)} of {len(checked)} figures are inside the expected interval"
        say(f"{text}, {narrow} inside that of the mean over new units" + (f"; outside: {'; '.join(outside)}" if outside else ""))


def _report(benchmark: Benchmark) -> _Report:
    return _Report(
        benchmark=benchmark,
        reached={line.figure: line.reached for line in benchmark.lines},
        gaps={line.figure: line.gap for line in benchmark.lines if line.gap is not None},
    )


def _columns(benchmark: Benchmark) -> dict[str, list[str]]:
    """The table's columns by header, as texts."""
    others = list(dict.fromkeys(name for line in benchmark.lines for name in line.others))
    return {
        "figure": [line.figure for line in benchmark.lines],
        "ours (95 %)": [_text(line.ours) for line in benchmark.lines],
        "published": [_published(line) for line in benchmark.lines],
        "untuned boosting": [_text(line.untuned) for line in benchmark.lines],
        "above untuned": [_text(line.above_untuned) for line in benchmark.lines],
        **{name: [_text(line.others.get(name)) for line in benchmark.lines] for name in others},
        "target": [_verdict(line) for line in benchmark.lines],
        "expected of those put aside (95 %)": [_text(line.expected) for line in benchmark.lines],
        "put aside": [_put_aside(line) for line in benchmark.lines],
    }


def _put_aside(line: Line) -> str:
    return "" if line.aside is None else f"{_number(line.aside)} ({'inside' if line.covered else 'outside'})"


def _published(line: Line) -> str:
    return "" if line.published is None else f"{_number(line.published)} ({line.published_by})"


def _verdict(line: Line) -> str:
    if line.target is None:
        return ""
    at_least = f"{'lower end ' if line.by_lower_end else ''}{'≥' if line.within is None else '='} {_number(line.target)}"
    return f"{at_least}: reached" if line.gap is None else f"{at_least}: gap {_number(abs(line.gap))}"


def _text(interval: Interval | None) -> str:
    if interval is None:
        return ""
    if interval.low == interval.high:
        return _number(interval.value)
    return f"{_number(interval.value)} ({_number(interval.low)} … {_number(interval.high)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() and abs(value) >= 100 else f"{value:.4f}" if abs(value) < 1 else f"{value:.3f}"
