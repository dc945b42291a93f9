# ruff: noqa: S608  names and numbers of this file
"""Many records by SQL in the database, as the collector would have stored them: counts, ids and sums.

A gateway has 51 records a day: 24 health records, 24 windows of two zones, and the outcomes of three offers in both zones.
"""

from __future__ import annotations

from sqlalchemy import Connection

from dashboard.estimates import Estimate, combined
from dashboard.partitions import has_partitions, make_partitions
from dashboard.schema import EVER
from tests.web.seed import DAY_MS, DAY_START_MS, HOUR_MS, OUTCOMES, VARIANCE

RECORDS_PER_DAY = 51
COUNT = 5
ZONES = ("plaza", "cafe")
OFFERS = ("espresso", "lunch-bowl", "flat-white")
EVER_KINDS = "kind NOT IN ('hours', 'days', 'health')"
BY_CELL, BY_SUM = "sum(count), sum(variance), count(*)", "sum(count), sum(variance), sum(cells)"
SUMS = (
    f"SELECT 'zones', window_start_ms, window_ms, '', zone, '', {BY_CELL} FROM hours GROUP BY 2, 3, 5",
    f"SELECT 'hours', window_start_ms, window_ms, '', '', '', {BY_CELL} FROM hours GROUP BY 2, 3",
    f"SELECT 'places', window_start_ms, window_ms, offer, zone, outcome, {BY_CELL} FROM contacts GROUP BY 2, 3, 4, 5, 6",
    f"SELECT 'offers', window_start_ms, window_ms, offer, '', outcome, {BY_CELL} FROM contacts GROUP BY 2, 3, 4, 6",
    f"SELECT 'joined', window_start_ms, window_ms, '', zone, '', {BY_CELL} FROM joined GROUP BY 2, 3, 5",
    "SELECT 'days', window_start_ms, window_ms, offer, '', '', 0, 0, count(DISTINCT gateway) FROM contacts GROUP BY 2, 3, 4",
    "SELECT 'days', window_start_ms, window_ms, '', '', '', 0, 0, count(*) FROM joined WHERE zone = '' GROUP BY 2, 3",
    "SELECT 'health', window_start_ms, window_ms, '', '', '', 0, 0, count(*) FROM health GROUP BY 2, 3",
    "SELECT 'stored', received_ms, 86400000, '', '', 'records', count(*), 0, count(*) FROM records GROUP BY 2",
    f"SELECT kind, {EVER}, 0, offer, zone, outcome, {BY_SUM} FROM sums WHERE {EVER_KINDS} GROUP BY 1, 4, 5, 6",
)


def fill(connection: Connection, gateways: int, days: int) -> int:
    """Insert `days` days of `gateways` gateways, the last one that of DAY_START_MS; the number of records."""
    _names(connection, gateways)
    for first in range(0, days, 28):
        _days(connection, gateways, first, min(28, days - first))
    for query in SUMS:
        connection.exec_driver_sql(f"INSERT INTO sums {query}")
    return gateways * days * RECORDS_PER_DAY


def _days(connection: Connection, gateways: int, first: int, days: int) -> None:
    """`days` days, of which the newest is `first` days before the last."""
    starts = [DAY_START_MS - back * DAY_MS for back in range(first, first + days)]
    if has_partitions(connection):
        make_partitions(connection, starts)
    day = f"({starts[-1]} + d.n * {DAY_MS})"
    hour = f"({day} + h.n * {HOUR_MS})"
    gateway, key = "'gw-' || CAST(10000 + g.n AS TEXT)", "CAST(d.n + " + str(first) + " AS TEXT) || '.' || CAST(h.n AS TEXT)"
    zones, offers, outcomes = (_values(names) for names in (ZONES, OFFERS, OUTCOMES))
    by_hour, by_day = _numbers(gateways, days, 24), _numbers(gateways, days, 1)
    window = Estimate(24 * COUNT, 24 * VARIANCE)
    whole = combined(window, Estimate(6 * len(OFFERS) * COUNT, 6 * len(OFFERS) * VARIANCE))
    value, variance = whole.value - window.value, whole.variance - window.variance
    cells, of_offer = f"{by_day}, {offers} AS o, {zones} AS z, {outcomes} AS c", f"'o' || o.name || {key}"
    joined = f"(SELECT 'plaza' AS name, 1 AS times UNION ALL SELECT 'cafe', 1 UNION ALL SELECT '', {len(ZONES)}) AS z"
    for query in (
        f"INSERT INTO hours SELECT {gateway}, {hour}, z.name, 'r' || {key}, {HOUR_MS}, {COUNT}, {VARIANCE} FROM {by_hour}, {zones} AS z",
        f"INSERT INTO health SELECT {gateway}, {hour}, 'h' || {key}, {HOUR_MS}, 0, FALSE FROM {by_hour}",
        f"INSERT INTO contacts SELECT {gateway}, {day}, o.name, z.name, c.name, {of_offer}, {DAY_MS}, {COUNT}, {VARIANCE} FROM {cells}",
        f"INSERT INTO joined SELECT {gateway}, {day}, {DAY_MS}, z.name, z.times * {value}, z.times * {variance} FROM {by_day}, {joined}",
        *(f"INSERT INTO records SELECT {gateway}, '{kind}' || {key}, {_digest(connection)}, {day} FROM {by_hour}" for kind in "rh"),
        f"INSERT INTO records SELECT {gateway}, {of_offer}, {_digest(connection)}, {day} FROM {by_day}, {offers} AS o",
    ):
        connection.exec_driver_sql(query)


def _names(connection: Connection, gateways: int) -> None:
    gateway = "'gw-' || CAST(10000 + g.n AS TEXT)"
    for name, names in (("zone", ZONES), ("offer", OFFERS)):
        rows = f"SELECT {gateway}, '{name}', v.name FROM {_numbers(gateways, 1, 1)}, {_values(names)} AS v"
        connection.exec_driver_sql(f"INSERT INTO catalogue {rows}")
    newest = f"{DAY_START_MS + 23 * HOUR_MS}, {HOUR_MS}, 0, FALSE"
    columns = "gateway, last_seen_ms, window_start_ms, window_ms, backlog, demonstration"
    rows = f"SELECT {gateway}, {DAY_START_MS + DAY_MS}, {newest} FROM {_numbers(gateways, 1, 1)}"
    connection.exec_driver_sql(f"INSERT INTO gateways ({columns}) {rows}")


def _numbers(gateways: int, days: int, hours: int) -> str:
    first, more = "SELECT CAST(0 AS BIGINT)", "SELECT n + 1 FROM r WHERE n <"
    bounds = (("g", gateways), ("d", days), ("h", hours))
    return ", ".join(f"(WITH RECURSIVE r(n) AS ({first} UNION ALL {more} {most - 1}) SELECT n FROM r) AS {name}" for name, most in bounds)


def _values(names: tuple[str, ...]) -> str:
    return "(" + " UNION ALL ".join(f"SELECT '{name}' AS name" for name in names) + ")"


def _digest(connection: Connection) -> str:
    return "decode(repeat('00', 32), 'hex')" if has_partitions(connection) else "zeroblob(32)"
