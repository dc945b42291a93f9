"""Precision, recall and delay of the visits in a gateway's history.

A reported visit is correct if the person was in that zone for at least half of it, if only passing (with a grace time at both
ends, since smoothing causes delay). A history that reports every person everywhere is therefore wrong, and only correct visits
count as detections of real stays. A real stay counts for recall only if the gateway may report it: consent to presence and
learning was given before and never withdrawn, the gateway serves the zone, and the stay ended well before the end of the run
(open visits are not exported).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import duckdb

Z95 = 1.959964


class Rate(NamedTuple):
    """Share of `of` cases, with its 95 % Wilson interval."""

    share: float
    low: float
    high: float
    of: int


class Visits(NamedTuple):
    """Results of one zone, or of all. Times in seconds; None without data."""

    zone: str
    precision: Rate | None
    recall: Rate | None
    pieces: float | None
    entered_p50_s: float | None
    entered_p95_s: float | None
    left_p50_s: float | None
    left_p95_s: float | None


def rate(hits: int, of: int) -> Rate | None:
    """Share of hits with its interval, or None for no cases."""
    if not of:
        return None
    share, scale = hits / of, 1 + Z95**2 / of
    middle = (share + Z95**2 / (2 * of)) / scale
    half = Z95 * math.sqrt(share * (1 - share) / of + Z95**2 / (4 * of**2)) / scale
    return Rate(share, max(0.0, middle - half), min(1.0, middle + half), of)


def score(base: duckdb.DuckDBPyConnection, zones: list[str], *, grace_s: float, stay_s_min: float) -> list[Visits]:
    """Results of every zone, and of "all" at the end. Needs the tables `interactions`, `matched` and those of the truth."""
    _prepare(base, zones, round(1000 * grace_s), round(1000 * stay_s_min))
    return [_zone(base, zone) for zone in [*zones, "all"]]


def _prepare(base: duckdb.DuckDBPyConnection, zones: list[str], grace_ms: int, stay_ms_min: int) -> None:
    base.execute(
        """
        create table reported as
        select row_number() over (order by h.export, h.subject, h.at_ms, h.zone) as reported, m.person, h.zone, h.at_ms,
               h.at_ms + (1000 * coalesce(h.dwell_s, 0))::bigint as until_ms
        from interactions h left join matched m using (export, subject) where h.what = 'visit' and list_contains(?, h.zone)
        """,
        [zones],
    )
    base.execute(
        """
        create table real as
        select row_number() over (order by v.person, v.from_ms) as real, v.person, v.zone, v.from_ms, v.until_ms
        from visits v join people p using (person), run r
        where v.what = 'stay' and list_contains(?, v.zone) and v.until_ms < r.until_ms - ? and v.until_ms - v.from_ms >= ?
          and list_contains(string_split(p.purposes, ' '), 'learning')
          and v.from_ms >= (select min(at_ms) from consents c where c.person = v.person and c.what = 'given')
          and not exists (from consents c where c.person = v.person and c.what = 'withdrawn')
        """,
        [zones, grace_ms, stay_ms_min],
    )
    base.execute(
        """
        create table correct_ones as
        select t.reported from reported t join visits v
          on v.person = t.person and v.zone = t.zone and v.from_ms <= t.until_ms + $grace and t.at_ms <= v.until_ms + $grace
        group by t.reported, t.at_ms, t.until_ms
        having 2 * sum(greatest(least(t.until_ms, v.until_ms) - greatest(t.at_ms, v.from_ms), 0)) >= t.until_ms - t.at_ms - 2 * $grace
        """,
        {"grace": grace_ms},
    )
    base.execute(
        """
        create table found as
        select r.real, r.zone, min(t.at_ms) - r.from_ms as entered_ms, max(t.until_ms) - r.until_ms as left_ms, count(*) as pieces
        from real r join (from reported semi join correct_ones using (reported)) t
          on t.person = r.person and t.zone = r.zone and t.at_ms <= r.until_ms and r.from_ms <= t.until_ms
        group by r.real, r.zone, r.from_ms, r.until_ms
        """
    )


def _zone(base: duckdb.DuckDBPyConnection, zone: str) -> Visits:
    given = {"zone": None if zone == "all" else zone}
    ((reported, correct, real, found),) = base.execute(
        """
        select (select count(*) from reported where $zone is null or zone = $zone),
               (select count(*) from reported join correct_ones using (reported) where $zone is null or zone = $zone),
               (select count(*) from real where $zone is null or zone = $zone),
               (select count(*) from found where $zone is null or zone = $zone)
        """,
        given,
    ).fetchall()
    ((pieces, *times),) = base.execute(
        """
        select avg(pieces), quantile_cont(entered_ms, 0.5) / 1000, quantile_cont(entered_ms, 0.95) / 1000,
               quantile_cont(left_ms, 0.5) / 1000, quantile_cont(left_ms, 0.95) / 1000 from found where $zone is null or zone = $zone
        """,
        given,
    ).fetchall()
    return Visits(zone, rate(correct, reported), rate(found, real), pieces, *times)
