"""Visits: how many that the gateway tells of were real, how many real ones it tells of, and how late it is.

A told visit is right when its person was in that zone for half of it or more, if only on the way through (but for a grace at
either end, because smoothing takes its time): whoever says "everybody, everywhere, always" is wrong, and only what is right finds
a real stay. A real stay counts against recall only if the gateway may tell of it: the person said yes to presence and to learning
before, never took it back, the zone is one that the gateway serves, and the stay was over in good time before the end (a visit
that is still open is not yet told).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import duckdb

Z95 = 1.959964


class Rate(NamedTuple):
    """A share of a number, with its 95 % interval (Wilson)."""

    share: float
    low: float
    high: float
    of: int


class Visits(NamedTuple):
    """One zone, or all of them. Times in seconds; None where nothing was found."""

    zone: str
    precision: Rate | None
    recall: Rate | None
    pieces: float | None
    entered_p50_s: float | None
    entered_p95_s: float | None
    left_p50_s: float | None
    left_p95_s: float | None


def rate(hits: int, of: int) -> Rate | None:
    """Hits of a number; None of nothing."""
    if not of:
        return None
    share, scale = hits / of, 1 + Z95**2 / of
    middle = (share + Z95**2 / (2 * of)) / scale
    half = Z95 * math.sqrt(share * (1 - share) / of + Z95**2 / (4 * of**2)) / scale
    return Rate(share, max(0.0, middle - half), min(1.0, middle + half), of)


def score(base: duckdb.DuckDBPyConnection, zones: list[str], *, grace_s: float, stay_s_min: float) -> list[Visits]:
    """Every zone, and "all" at the end; needs `interactions`, `matched` and the truth's tables."""
    _prepare(base, zones, round(1000 * grace_s), round(1000 * stay_s_min))
    return [_zone(base, zone) for zone in [*zones, "all"]]


def _prepare(base: duckdb.DuckDBPyConnection, zones: list[str], grace_ms: int, stay_ms_min: int) -> None:
    base.execute(
        """
        create table told as
        select row_number() over (order by h.export, h.subject, h.at_ms, h.zone) as told, m.person, h.zone, h.at_ms,
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
        create table right_ones as
        select t.told from told t join visits v
          on v.person = t.person and v.zone = t.zone and v.from_ms <= t.until_ms + $grace and t.at_ms <= v.until_ms + $grace
        group by t.told, t.at_ms, t.until_ms
        having 2 * sum(greatest(least(t.until_ms, v.until_ms) - greatest(t.at_ms, v.from_ms), 0)) >= t.until_ms - t.at_ms - 2 * $grace
        """,
        {"grace": grace_ms},
    )
    base.execute(
        """
        create table found as
        select r.real, r.zone, min(t.at_ms) - r.from_ms as entered_ms, max(t.until_ms) - r.until_ms as left_ms, count(*) as pieces
        from real r join (from told semi join right_ones using (told)) t
          on t.person = r.person and t.zone = r.zone and t.at_ms <= r.until_ms and r.from_ms <= t.until_ms
        group by r.real, r.zone, r.from_ms, r.until_ms
        """
    )


def _zone(base: duckdb.DuckDBPyConnection, zone: str) -> Visits:
    given = {"zone": None if zone == "all" else zone}
    ((told, right, real, found),) = base.execute(
        """
        select (select count(*) from told where $zone is null or zone = $zone),
               (select count(*) from told join right_ones using (told) where $zone is null or zone = $zone),
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
    return Visits(zone, rate(right, told), rate(found, real), pieces, *times)
