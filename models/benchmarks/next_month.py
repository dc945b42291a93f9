"""Who buys next month: the benchmark of `models.value.next_month`, shown as lines, on the wholesaler's table and on the households'.

Its champion learns from some customers' past months and is judged on other customers' later months, beside an RFM
score, BG/NBD and untuned boosting. Nobody published a figure for this question on these tables; what has to be beaten is
what a marketer would do without a model.
"""

from __future__ import annotations

from pathlib import Path

from models.benchmarks.benchmark import Benchmark, Line, Spec, Step
from models.tables.reading import Counts
from models.value.next_month import FOLDS, TRAINED_MONTHS, MonthResult, NextMonthReport, online_retail_benchmark

TOP = "lift in the best 10 %"


def lines_of(result: NextMonthReport) -> tuple[Line, ...]:
    """AUC and lift of every judged month; what is to be beaten is the better of RFM and BG/NBD."""
    return tuple(line for month in result.months for line in _month(month))


def _month(month: MonthResult) -> tuple[Line, Line]:
    name = f"month {month.month}, {month.base_rate:.0%} buy"
    return (
        Line(
            figure=f"AUC, {name}",
            ours=month.champion.auc,
            untuned=month.untuned.auc,
            above_untuned=month.above_untuned,
            others={"RFM": month.rfm.auc, "BG/NBD": month.bgnbd.auc},
            target=max(month.rfm.auc.value, month.bgnbd.auc.value),
        ),
        Line(
            figure=f"{TOP}, {name}",
            ours=month.champion.top_lift,
            untuned=month.untuned.top_lift,
            others={"RFM": month.rfm.top_lift, "BG/NBD": month.bgnbd.top_lift},
            target=max(month.rfm.top_lift.value, month.bgnbd.top_lift.value),
        ),
    )


def notes_of(result: NextMonthReport) -> tuple[str, ...]:
    """What was chosen, and from how much."""
    chosen = ", ".join(f"{kind} {folds}" for kind, folds in sorted(result.chosen.items()))
    rate = mean_rate(result)
    return (
        f"chosen inside the folds: {chosen}; about {result.trained_rows:,} rows of past months teach each fold",
        f"where {rate:.0%} buy anyway, no lift can be above {1 / rate:.2f}",
    )


def protocol_of() -> str:
    """How it is split."""
    return f"{FOLDS} folds by customer and split by time: the first {TRAINED_MONTHS} months teach, later months of other customers judge"


def mean_rate(result: NextMonthReport) -> float:
    """Share of customers who buy in a judged month."""
    return sum(month.base_rate * month.subjects for month in result.months) / sum(month.subjects for month in result.months)


def _run(folder: Path, seed: int, step: Step) -> Benchmark:
    result = online_retail_benchmark(folder / "online_retail.csv.xz", seed, step)
    return Benchmark(
        name="online_retail",
        title="Online Retail: who buys next month?",
        protocol=protocol_of(),
        unit="customer",
        base_rate=mean_rate(result),
        lines=lines_of(result),
        notes=notes_of(result),
        counts=Counts(result.table.rows_in, result.table.used, dict(result.table.refused)),
    )


SPEC = Spec(folder="online_retail", steps=FOLDS + 1, run=_run)
