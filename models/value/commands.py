"""`wayside-models value`: lifetime value of subjects, its uncertainty, and the tiers of attributes that follow from it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import typer

from gateway.core.attributes.derive import tier_of
from gateway.core.attributes.groups import Variety
from gateway.core.attributes.schema import Schema
from gateway.core.types import Purpose
from models.groups import GroupsFile, SchemaFile, read_schema_file, save_groups
from models.history import derived
from models.history.fact_log import log_of
from models.history.options import (
    AsJson,
    BasketsFile,
    Folder,
    HistorySource,
    InteractionsFile,
    MappingFile,
    MapText,
    MemoryMb,
    open_source,
    show_row_counts,
)
from models.history.person_values import person_values
from models.history.reading import MEMORY_MB, RowCounts
from models.screen import print_json, say, show, working
from models.value.bg_nbd import BgNbd
from models.value.effort import clv_edges
from models.value.forecasts import LEVEL, Forecast, choose_forecast
from models.value.gamma_gamma import GammaGamma
from models.value.lifetime import DISCOUNT_YEAR, MARGIN_SHARE, MONTHS, LifetimeValues, Terms, lifetime_values
from models.value.value_table import (
    NAME,
    Agreement,
    Hours,
    agreement,
    table_attributes,
    table_values,
    value_definitions,
    value_table,
)

UNIT_DAYS = 7.0
DAY_MS = 86_400_000
_CORRELATION_MAX = 0.3
LEARNING: tuple[Purpose, ...] = ("learning",)


class ValueReport(msgspec.Struct, frozen=True):
    """Report of `value`; amounts in minor units, `deciles` are CLV at 0, 10, …, 100 %.

    `forecast` is the choice between BG/NBD and MBG/NBD. Probabilities to be active are those of MBG/NBD; BG/NBD gives every one-time
    buyer 1. `tiers` counts the subjects by tier, as
    if all had consented to learning.
    """

    tables: tuple[RowCounts, ...]
    until_day: str
    subjects: int
    forecast: Forecast
    bg_nbd: BgNbd
    gamma_gamma: GammaGamma
    total_minor: float
    deciles: tuple[float, ...]
    expected_next_month: float
    one_time_buyers: int
    mean_probability_alive: float
    mean_probability_alive_one_time: float
    tiers: tuple[int, ...]
    table: Agreement | None = None


class _Read(NamedTuple):
    """The history until `until_ms`.

    `rfm` has frequency, recency and amounts by subject, `inputs` those of the table of values, `counted` the rows that were read.
    """

    until_ms: int
    rfm: pd.DataFrame
    forecast: Forecast
    inputs: pd.DataFrame | None
    counted: tuple[RowCounts, ...]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(epilog="Example: [b]wayside-models value --dir export --out clv.csv[/b]")(value)


def value(
    folder: Folder = None,
    interactions: InteractionsFile = None,
    baskets: BasketsFile = None,
    map_text: MapText = "",
    mapping: MappingFile = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="End of the observation period (exclusive), UTC date; default: the day after the last purchase."
        ),
    ] = None,
    months: Annotated[int, typer.Option(min=1, max=120, help="Horizon of the lifetime value in months.")] = MONTHS,
    discount: Annotated[float, typer.Option(min=0, max=5, help="Yearly discount rate.")] = DISCOUNT_YEAR,
    margin_share: Annotated[float, typer.Option(min=0, max=1, help="Margin, as a share of the purchase amount.")] = MARGIN_SHARE,
    out: Annotated[Path | None, typer.Option(help="CSV file to write, one row per subject.", dir_okay=False)] = None,
    groups: GroupsFile = None,
    schema: SchemaFile = None,
    shortest_h: Annotated[float, typer.Option(min=0.1, help="Hours until a person's groups are worked out anew, at association 0.")] = 1.0,
    longest_h: Annotated[float, typer.Option(min=0.1, help="The same at association 1.")] = 168.0,
    *,
    memory_mb: MemoryMb = MEMORY_MB,
    as_json: AsJson = False,
) -> None:
    """Customer lifetime value of each subject with its 90 % interval, by BG/NBD or MBG/NBD and gamma-gamma.

    The last two months are held out: the first chooses between BG/NBD and MBG/NBD, the second shows how the choice forecasts.
    With --groups, a table of values for gateways is written; tiers, if an attribute of the schema has a tier_min; and the refresh interval,
    if the schema has attributes for the purchases of two categories.
    """
    declared = read_schema_file(schema) if groups is not None else None
    read = _read(HistorySource(folder, interactions, baskets, map_text, mapping, memory_mb), until, declared)
    terms = Terms(months, discount, margin_share)
    with working("fitting"):
        lifetimes = lifetime_values(read.rfm, UNIT_DAYS, terms, modified=read.forecast.modified)
    if out is not None:
        _write(out, read.rfm, lifetimes)
    agreed = None
    if groups is not None and declared is not None and read.inputs is not None:
        lookup = value_table(read.inputs, lifetimes, terms)
        looked_up = table_values(lookup, read.inputs)
        own = pd.Series(lifetimes.value_minor, read.rfm["subject"]).reindex(read.inputs.index)
        agreed = agreement(looked_up, np.asarray(own, dtype=np.float64))
        save_groups(groups, *value_definitions(lookup, looked_up, declared, Hours(shortest_h, longest_h)))
    report = _report(read, lifetimes, agreed)
    if as_json:
        print_json(report)
    else:
        _show(report, months, out)


def _read(source: HistorySource, until: datetime | None, declared: Schema | None) -> _Read:
    """The history; with a schema also the inputs of the table of values."""
    with open_source(source) as history:
        last = derived.span(history).until_ms
        until_ms = int(until.replace(tzinfo=UTC).timestamp() * 1000) if until else (last // DAY_MS + 1) * DAY_MS
        rfm = derived.rfm(history, until_ms, UNIT_DAYS)
        forecast = choose_forecast(lambda days: derived.rfm(history, until_ms - days * DAY_MS, UNIT_DAYS), UNIT_DAYS)
        inputs = None if declared is None else person_values(history, declared, table_attributes(declared), until_ms, log_of(source.folder))
        return _Read(until_ms, rfm, forecast, inputs, history.row_counts)


def _write(out: Path, rfm: pd.DataFrame, lifetimes: LifetimeValues) -> None:
    rfm.assign(
        clv_minor=lifetimes.value_minor,
        clv_low_minor=lifetimes.low_minor,
        clv_high_minor=lifetimes.high_minor,
        next_month=lifetimes.next_month,
        probability_alive=lifetimes.probability_alive,
        spend_minor=lifetimes.spend_minor,
    ).to_csv(out, index=False)


def _report(read: _Read, lifetimes: LifetimeValues, agreed: Agreement | None) -> ValueReport:
    worth, repeat = lifetimes.value_minor, read.rfm["frequency"].to_numpy() > 0
    edges = clv_edges(worth)
    variety = Variety(NAME, edges)
    tiers = np.bincount([tier_of(variety, float(clv), LEARNING) for clv in worth], minlength=len(edges) + 2)
    return ValueReport(
        tables=read.counted,
        until_day=datetime.fromtimestamp(read.until_ms / 1000, UTC).date().isoformat(),
        subjects=len(read.rfm),
        forecast=read.forecast,
        bg_nbd=lifetimes.bg_nbd,
        gamma_gamma=lifetimes.gamma_gamma,
        total_minor=float(worth.sum()),
        deciles=tuple(float(value) for value in np.quantile(worth, np.linspace(0, 1, 11))),
        expected_next_month=float(lifetimes.next_month.sum()),
        one_time_buyers=int((~repeat).sum()),
        mean_probability_alive=float(lifetimes.probability_alive[repeat].mean()),
        mean_probability_alive_one_time=float(lifetimes.probability_alive[~repeat].mean()) if not repeat.all() else float("nan"),
        tiers=tuple(int(count) for count in tiers),
        table=agreed,
    )


def _chosen(of: Forecast) -> str:
    """The choice of the purchase model, and its figures on the month that took no part in it."""
    if of.reason:
        return f"{of.chosen} is used: {of.reason}"
    scores = ", ".join(f"{name} {score:.4f}" for name, score in of.log_scores.items())
    return (
        f"{of.chosen} is used: mean log probability of a held-out month is {scores}; in the month after it {of.subjects:,} subjects "
        f"made {of.bought:,.0f} purchases, {of.expected:,.0f} were expected, {of.covered:.1%} lie in their {LEVEL:.0%} interval"
    )


def _show(report: ValueReport, months: int, out: Path | None) -> None:
    show_row_counts(report.tables)
    of, money = report.bg_nbd, report.gamma_gamma
    purchases = zip(("r", "alpha", "a", "b"), (of.r, of.alpha, of.a, of.b), of.standard_errors, strict=True)
    spend = zip(("p", "q", "v"), (money.p, money.q, money.v), money.standard_errors, strict=True)
    rows = [(of.name, *row) for row in purchases] + [("gamma-gamma", *row) for row in spend]
    show(f"{report.subjects:,} subjects until {report.until_day}, time in weeks", ("model", "parameter", "value", "standard error"), rows)
    say(_chosen(report.forecast))
    say(f"expected purchases in the next month: {report.expected_next_month:,.0f}")
    say(f"mean probability that a repeat buyer is still active: {report.mean_probability_alive:.3f}")
    if report.one_time_buyers:
        say(f"that of {report.one_time_buyers:,} one-time buyers, by MBG/NBD: {report.mean_probability_alive_one_time:.3f}")
    title = f"lifetime value over {months} months, minor units; in all {report.total_minor:,.0f}"
    show(title, ("share of subjects below", "value"), [(f"{10 * place} %", value) for place, value in enumerate(report.deciles)])
    tiers = ", ".join(f"tier {tier}: {count:,}" for tier, count in enumerate(report.tiers) if tier)
    say(f"attributes used with consent to learning: {tiers}; without it: tier 0")
    if abs(money.correlation) > _CORRELATION_MAX:
        say(f"warning: frequency and spend are correlated ({money.correlation:.2f}); gamma-gamma assumes that they are independent")
    if report.table is not None:
        say(
            f"table for gateways: rank correlation {report.table.rank_correlation:.3f} with the own values of "
            f"{report.table.subjects:,} subjects, {report.table.difference:.1%} mean difference"
        )
    if out is not None:
        say(f"one row per subject is in {out}")
