"""Purchases of the next month: the benchmark of `models.value.next_month` as lines, on two tables.

Its champion is fitted to past months of some customers and tested on later months of others, beside an RFM score, BG/NBD and
untuned boosting. No figure is published for this outcome on these tables, so the targets are the baselines without machine
learning.
"""

from __future__ import annotations

from pathlib import Path

from models.benchmarks.benchmark import Benchmark, Line, Spec, Step
from models.benchmarks.splitting import ASIDE_TEXT, SALT
from models.tables.reading import Counts
from models.value.next_month import FOLDS, TRAINED_MONTHS, MonthResult, NextMonthReport, online_retail_benchmark

TOP = "lift in the best 10 %"


def lines_of(result: NextMonthReport) -> tuple[Line, ...]:
    """AUC and lift of every tested month; the target is the better of RFM and BG/NBD."""
    return tuple(line for month in result.months for line in _month(month))


def _month(month: MonthResult) -> tuple[Line, Line]:
    name, aside = f"month {month.month}, {month.base_rate:.0%} buy", month.champion.aside
    return (
        Line(
            figure=f"AUC, {name}",
            ours=month.champion.auc,
            untuned=month.untuned.auc,
            above_untuned=month.above_untuned,
            others={"RFM": month.rfm.auc, "BG/NBD": month.bgnbd.auc},
            target=max(month.rfm.auc.value, month.bgnbd.auc.value),
            expected=aside.auc_expected if aside else None,
            aside=aside.auc if aside else None,
        ),
        Line(
            figure=f"{TOP}, {name}",
            ours=month.champion.top_lift,
            untuned=month.untuned.top_lift,
            others={"RFM": month.rfm.top_lift, "BG/NBD": month.bgnbd.top_lift},
            target=max(month.rfm.top_lift.value, month.bgnbd.top_lift.value),
            expected=aside.top_lift_expected if aside else None,
            aside=aside.top_lift if aside else None,
        ),
    )


def notes_of(result: NextMonthReport) -> tuple[str, ...]:
    """Notes: the models that the folds chose, the training rows, and the maximum of the lift."""
    chosen = ", ".join(f"{kind} {folds}" for kind, folds in sorted(result.chosen.items()))
    rate = mean_rate(result)
    return (
        f"chosen inside the folds: {chosen}; about {result.trained_rows:,} training rows of past months a fold",
        f"at a base rate of {rate:.0%}, no lift can be above {1 / rate:.2f}",
    )


def protocol_of(*, aside: bool) -> str:
    """The protocol of the split as text."""
    split = f"{FOLDS} folds by customer{ASIDE_TEXT if aside else ''}"
    return f"{split}, trained on the first {TRAINED_MONTHS} months and tested on later months of other customers"


def mean_rate(result: NextMonthReport) -> float:
    """Share of customers that buy in a tested month, weighted by customers."""
    return sum(month.base_rate * month.subjects for month in result.months) / sum(month.subjects for month in result.months)


def _run(folder: Path, seed: int, step: Step, aside: bool) -> Benchmark:  # noqa: FBT001 (the signature of all benchmarks)
    result = online_retail_benchmark(folder / "online_retail.csv.xz", seed, step, SALT if aside else "")
    return Benchmark(
        name="online_retail",
        title="Online Retail: purchases of the next month",
        protocol=protocol_of(aside=aside),
        unit="customer",
        base_rate=mean_rate(result),
        lines=lines_of(result),
        notes=notes_of(result),
        counts=Counts(result.table.rows_in, result.table.used, dict(result.table.refused)),
    )


SPEC = Spec(folder="online_retail", steps=FOLDS + 2, run=_run)
