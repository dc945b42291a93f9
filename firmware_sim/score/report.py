"""The whole comparison, as a dictionary and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from firmware_sim.nearest import nearest
from firmware_sim.people import truth
from firmware_sim.score import history, records, visits
from firmware_sim.score.history import HistoryError, Matching
from firmware_sim.score.probability import Area, Probabilities, probabilities
from firmware_sim.score.records import Records
from firmware_sim.score.value import Figure, Value, value
from firmware_sim.score.visits import Rate, Visits


class Score(NamedTuple):
    """All results of a comparison."""

    matching: Matching
    visits: list[Visits]
    not_served: list[str]
    proposed: int
    never_received: int
    propensity_error: float | None
    probabilities: Probabilities | None
    value: Value | None
    records: Records | None


def score(
    truth_folder: Path,
    histories: Sequence[Path],
    *,
    records_file: Path | None = None,
    zones: Sequence[str] = (),
    grace_s: float = 5.0,
    stay_s_min: float = 0.0,
    draws: int = 300,
) -> Score:
    """Compare histories with a folder of ground truth.

    Raises HistoryError, TruthError or OSError if a file cannot be read, and HistoryError for an unknown zone.
    """
    import duckdb  # noqa: PLC0415 (see `people/truth.py`)

    known = truth.read(truth_folder)
    for zone in zones:
        if zone not in known.world.zones:
            raise HistoryError(f"no zone {zone!r} in the truth; {nearest(zone, known.world.zones)}")
    with duckdb.connect() as base:
        for table in truth.TABLES:
            base.read_parquet(str(truth_folder / f"{table}.parquet")).create(table)
        history.load(base, histories)
        matching = history.match(base)
        served = [row[0] for row in base.execute("select distinct zone from interactions where what = 'visit' order by 1").fetchall()]
        looked_at = [zone for zone in known.world.zones if zone in (zones or served)]
        found = visits.score(base, looked_at, grace_s=grace_s, stay_s_min=stay_s_min)
        ((proposed, lost, error),) = base.execute(
            """
            with proposed as (
                select row_number() over (order by h.export, h.subject, h.at_ms) as number, h.*, m.person
                from interactions h left join matched m using (export, subject) where h.what = 'proposed'
            ), found as (
                select distinct on (p.number) p.number, o.acceptance
                from proposed p join offers o on p.decision = o.decision
                  or (p.person = o.person and p.offer = o.offer and o.at_ms - p.at_ms between -$late and $late)
                order by p.number, abs(o.at_ms - p.at_ms)
            )
            select count(*), count(*) filter (where f.number is null), avg(abs(p.propensity - f.acceptance))
            from proposed p left join found f using (number)
            """,
            {"late": history.ON_THE_WAY_MS_MAX},
        ).fetchall()
        information = probabilities(base, history.ON_THE_WAY_MS_MAX, known.world.seed)
    compared = records.score(records_file, known) if records_file is not None else None
    absent = [zone for zone in known.world.zones if zone not in looked_at]
    return Score(matching, found, absent, proposed, lost, error, information, value(known, draws), compared)


def facts(result: Score) -> dict[str, Any]:
    """Results as a JSON-compatible dictionary: shares from 0 to 1, times in seconds, money in minor units, 95 % intervals."""
    matching = result.matching
    return {
        "subjects": {
            "by_offers": matching.by_offers,
            "by_visits": matching.by_visits,
            "unmatched": matching.unmatched,
        },
        "visits": [{**row._asdict(), "precision": _plain(row.precision), "recall": _plain(row.recall)} for row in result.visits],
        "zones_not_served": result.not_served,
        "decisions": {
            "proposed": result.proposed,
            "never_received": result.never_received,
            "propensity_error": result.propensity_error,
            "auc": None if result.probabilities is None else {key: _plain(item) for key, item in result.probabilities._asdict().items()},
        },
        "value": None if result.value is None else {key: _plain(item) for key, item in result.value._asdict().items()},
        "records": _plain(result.records),
    }


def _plain(item: Any) -> Any:
    return item._asdict() if isinstance(item, Rate | Figure | Records | Area) else item


def tables(result: Score) -> list[Table]:
    """Results as tables."""
    found = [_visits(result), _decisions(result)]
    if result.value is not None:
        found.append(_value(result.value))
    if result.records is not None:
        found.append(_records(result.records))
    return found


def _visits(result: Score) -> Table:
    matching = result.matching
    matched = f"{matching.by_offers} subjects matched by offers, {matching.by_visits} by visits, {matching.unmatched} unmatched"
    absent = f"; not in this history: {', '.join(result.not_served)}" if result.not_served else ""
    table = Table(title=f"visits ({matched}{absent})", title_justify="left")
    for column in ("zone", "reported", "precision", "real", "recall", "pieces", "entered +s p50", "p95", "left +s p50", "p95"):
        table.add_column(column, justify="left" if column == "zone" else "right")
    for row in result.visits:
        times = (row.entered_p50_s, row.entered_p95_s, row.left_p50_s, row.left_p95_s)
        table.add_row(
            row.zone,
            str(row.precision.of if row.precision else 0),
            _share(row.precision),
            str(row.recall.of if row.recall else 0),
            _share(row.recall),
            "" if row.pieces is None else f"{row.pieces:.2f}",
            *("" if time is None else f"{time:.1f}" for time in times),
        )
    return table


def _decisions(result: Score) -> Table:
    table = Table(title="decisions", title_justify="left", show_header=False)
    table.add_row("proposed", str(result.proposed))
    table.add_row("not received by any phone", str(result.never_received))
    if result.propensity_error is not None:
        table.add_row("mean absolute error of the propensity", f"{result.propensity_error:.3f}")
    if (found := result.probabilities) is not None:
        table.add_row("offers with an answer", f"{found.offers} to {found.people} people, {found.accepted} accepted")
        for name, one in (("the propensity", found.model), ("popularity", found.popularity), ("the true probability", found.truth)):
            table.add_row(f"AUC of {name}", f"{one.auc:.3f} ({one.low:.3f} to {one.high:.3f})")
    return table


def _value(value: Value) -> Table:
    table = Table(title="value of the triggers (true expectation, minor units)", title_justify="left", show_header=False)
    table.add_row("offers received by phones", str(value.received))
    table.add_row("additional purchases per trigger (uplift)", _figure(value.uplift, 3))
    table.add_row("additional margin per trigger (gain)", _figure(value.gain))
    table.add_row("gain of random offers (same moments, people present)", _figure(value.chance_gain))
    table.add_row("gain over random offers", _figure(value.advantage))
    table.add_row("total gain", f"{value.total_minor:.0f}, random offers {_figure(value.chance_total_minor, 0)}")
    table.add_row("regret per decision", _figure(value.regret))
    table.add_row("share of best choices", f"{value.best_share:.0%}")
    table.add_row("share worse than silence", f"{value.harmful_share:.0%}")
    table.add_row("during an incident", str(value.in_incidents))
    return table


def _records(result: Records) -> Table:
    table = Table(title=f"records ({result.lines} lines, {result.leaks} with personal identifiers)", title_justify="left")
    for column in ("zone", "offers reported, with noise", "offers received"):
        table.add_column(column, justify="left" if column == "zone" else "right")
    for zone in sorted({*result.told, *result.received}):
        table.add_row(zone, str(result.told.get(zone, 0)), str(result.received.get(zone, 0)))
    return table


def _share(rate: Rate | None) -> str:
    return "" if rate is None else f"{rate.share:.1%} ({rate.low:.0%}-{rate.high:.0%})"


def _figure(figure: Figure, digits: int = 1) -> str:
    return f"{figure.mean:.{digits}f} ({figure.low:.{digits}f} to {figure.high:.{digits}f})"
