"""The sums of the fleet are those that its stored counts give, after any sequence of batches, repetitions, retractions and decisions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from dashboard import quarantine
from dashboard.figures import figures
from dashboard.intake import decode
from dashboard.joining import Day, days_around, join
from dashboard.rollups import Changes, forget
from dashboard.schema import EVER, batches, contacts, control, health, hours, joined, metadata, records, sums, visitors
from dashboard.sources import View
from dashboard.store import Store
from tests.web.seed import DAY_MS, DAY_START_MS, HOUR_MS, OUTCOMES, TOKENS, VARIANCE, Json, batch, offers
from tests.web.seed import health as health_record
from tests.web.seed import hours as hour_record

ZONES = ("plaza", "cafe")
NOW_MS = DAY_START_MS + 3 * DAY_MS
PIECES_MS = 6 * HOUR_MS
"""Four windows make a day, so that whole days are frequent."""


def window(key: str, gateway: str, at: int, count: int) -> Json:
    return hour_record(
        key,
        dict.fromkeys(ZONES, count),
        gateway=gateway,
        variance=VARIANCE,
        window_start_ms=DAY_START_MS + at * PIECES_MS,
        window_ms=PIECES_MS,
    )


def outcomes(key: str, gateway: str, day: int, offer: str, *, sums_zones: bool) -> Json:
    counts = dict.fromkeys(OUTCOMES, 5)
    made = offers(key, dict.fromkeys(ZONES, counts), offer=offer, gateway=gateway, day=day, variance=VARIANCE)
    return made | {"sums_zones": True, "counts": [5] * len(OUTCOMES)} if sums_zones else made


def pool() -> list[Json]:
    """Records of two gateways and two days: all windows (some twice), the outcomes of two offers, one of them without zones."""
    made: list[Json] = []
    for gateway in TOKENS:
        made += [window(f"w{at}", gateway, at, 10 + at) for at in range(8)]
        made += [window(f"again{at}", gateway, at, 99) for at in (1, 6)]  # the window is counted already: quarantined
        made += [outcomes(f"o{day}.{offer}", gateway, day, offer, sums_zones=offer == "tea") for day in (0, 1) for offer in ("tea", "cake")]
        made += [health_record(f"h{at}", gateway=gateway, window=at) for at in range(2)]
    return made


POOL = pool()
Step = tuple[str, Any]


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Batches, some sent again; retractions of a part of the time of a gateway; acceptances and deletions of all that is quarantined."""
    made: list[Step] = []
    for number in range(draw(st.integers(1, 8))):
        gateway = draw(st.sampled_from(sorted(TOKENS)))
        kind = draw(st.sampled_from(["batch", "batch", "batch", "again", "retract", "accept", "discard"]))
        if kind == "batch":
            own = [record for record in POOL if record["gateway"] == gateway]
            made.append(("batch", batch(f"b{number}", draw(st.lists(st.sampled_from(own), max_size=14)), gateway)))
        elif kind == "again":
            sent = [body for name, body in made if name == "batch"]
            made += [("batch", body) for body in sent[:1]]
        elif kind == "retract":
            begin = draw(st.integers(0, 7))
            made.append(("retract", (gateway, begin, begin + draw(st.integers(1, 5)))))
        else:
            made.append((kind, gateway))
    return made


def take(store: Store, body: Json, now_ms: int = NOW_MS) -> None:
    store.take(decode(json.dumps(body).encode(), body["gateway"]), now_ms)


def run(store: Store, made: Sequence[Step]) -> None:
    for kind, what in made:
        if kind == "batch":
            take(store, what)
            continue
        with store.writing() as connection:
            if kind == "retract":
                gateway, begin, end = what
                quarantine.retract(connection, gateway, DAY_START_MS + begin * PIECES_MS, DAY_START_MS + end * PIECES_MS, NOW_MS)
            else:
                ids = [one.id for one in quarantine.held(connection, what)]
                (quarantine.accept if kind == "accept" else quarantine.discard)(connection, what, ids)


Sums = dict[tuple[str, int, int, str, str, str], tuple[float, float, int]]


def recomputed(store: Store) -> Sums:  # noqa: C901  a loop for each table
    """All sums from the stored counts, in another way than the program: one pass over each table, without any stored sum."""
    found: dict[tuple[str, int, int, str, str, str], list[float]] = {}

    def add(kind: str, start: int, length: int, offer: str, zone: str, outcome: str, count: float, variance: float, cells: int) -> None:
        ever = [(EVER, 0)] if kind in ("zones", "places", "offers", "control", "joined", "stored") else []
        for at in [(start, length), *ever]:
            one = found.setdefault((kind, *at, offer, zone, outcome), [0.0, 0.0, 0])
            one[0], one[1], one[2] = one[0] + count, one[1] + variance, one[2] + cells

    with store.reading() as connection:
        for row in connection.execute(select(hours)):
            add("zones", row.window_start_ms, row.window_ms, "", row.zone, "", row._mapping["count"], row.variance, 1)
            add("hours", row.window_start_ms, row.window_ms, "", "", "", row._mapping["count"], row.variance, 1)
        for row in connection.execute(select(contacts)):
            add("places", row.window_start_ms, row.window_ms, row.offer, row.zone, row.outcome, row._mapping["count"], row.variance, 1)
            add("offers", row.window_start_ms, row.window_ms, row.offer, "", row.outcome, row._mapping["count"], row.variance, 1)
        for row in connection.execute(select(visitors)):
            add("visitors", row.window_start_ms, row.window_ms, "", row.zone, "", row._mapping["count"], row.variance, 1)
        for row in connection.execute(select(control)):
            add("control", row.window_start_ms, row.window_ms, "", "", row.item, row._mapping["count"], row.variance, 1)
        for row in connection.execute(select(health)):
            add("health", row.window_start_ms, row.window_ms, "", "", "", 0, 0, 1)
        spans = select(contacts.c.gateway, contacts.c.window_start_ms, contacts.c.window_ms).distinct()
        for offer in ("", *connection.execute(select(contacts.c.offer).distinct()).scalars()):
            for _, start, length in connection.execute(spans.where(contacts.c.offer == offer) if offer else spans):
                add("days", start, length, offer, "", "", 0, 0, 1)
        for name, table in (("records", records), ("batches", batches)):
            for at_ms, number in connection.execute(select(table.c.received_ms, func.count()).group_by(table.c.received_ms)):
                add("stored", at_ms // DAY_MS * DAY_MS, DAY_MS, "", "", name, number, 0, number)
    for _, start, length, zone, count, variance in _joined_again(store):
        add("joined", start, length, "", zone, "", count, variance, 1)
    return {key: (values[0], values[1], int(values[2])) for key, values in found.items()}


def _joined_again(store: Store) -> list[tuple[Any, ...]]:
    """The rows of `joined` made anew in an empty table, of a transaction that is not kept."""
    with store._engine.connect() as connection:
        days = connection.execute(select(contacts.c.gateway, contacts.c.window_start_ms, contacts.c.window_ms).distinct()).all()
        connection.execute(delete(joined))
        join(connection, {Day(*row) for row in days}, Changes())
        rows = [tuple(row) for row in connection.execute(select(joined))]
        connection.rollback()
    return rows


def held(store: Store) -> Sums:
    with store.reading() as connection:
        return {tuple(row[:6]): tuple(row[6:]) for row in connection.execute(select(sums))}


def same(one: Sums, other: Sums) -> bool:
    return one.keys() == other.keys() and all(one[key] == pytest.approx(other[key], rel=1e-9, abs=1e-6) for key in one)


EMPTY = Store("sqlite://")  # emptied for each example: the migrations of a new one take longer than the example


@examples(max_examples=60, deadline=None, derandomize=True)
@given(steps())
def test_the_sums_are_those_of_the_stored_counts(made: list[Step]) -> None:
    store = EMPTY
    with store.writing() as connection:
        for table in metadata.sorted_tables:
            connection.execute(delete(table))
    run(store, made)
    assert same(held(store), recomputed(store))


@pytest.mark.parametrize("table", [hours, contacts, records])
def test_a_count_that_comes_without_its_sums_is_found(table: Any) -> None:
    store = Store("sqlite://")
    run(store, [("batch", batch("b1", [record for record in POOL if record["gateway"] == "gw-a"]))])
    assert same(held(store), recomputed(store))
    with store.writing() as connection:
        if table is records:
            connection.execute(delete(records).where(records.c.id == "w1"))
        else:
            first = select(table.c.count).limit(1).scalar_subquery()
            connection.execute(update(table).where(table.c.count == first).values(count=table.c.count + 1))
    assert not same(held(store), recomputed(store))
    store.close()


def test_figures_of_the_fleet_are_those_of_its_gateways_added_up() -> None:
    """A fleet of one gateway is read from the sums, and the same gateway from its own counts."""
    store = Store("sqlite://")
    own = [record for record in POOL if record["gateway"] == "gw-a"]
    run(store, [("batch", batch("b1", own))])
    with store.reading() as connection:
        for span in ("day", "week", "all"):
            fleet, gateway = (figures(connection, View(span, gateway=name)) for name in (None, "gw-a"))
            assert fleet.sent.value > 0
            assert (fleet.zones, fleet.offers, fleet.columns, fleet.answers, fleet.cells) == (
                gateway.zones,
                gateway.offers,
                gateway.columns,
                gateway.answers,
                gateway.cells,
            )
            assert fleet.sent == pytest.approx(gateway.sent)
    store.close()


def test_a_late_window_completes_its_day() -> None:
    store = Store("sqlite://")
    windows = [window(f"w{at}", "gw-a", at, 10) for at in range(4)]
    day = outcomes("o1", "gw-a", 0, "cake", sums_zones=False)
    run(store, [("batch", batch("b1", [*windows[:3], day]))])
    with store.reading() as connection:
        assert connection.execute(select(joined.c.zone, joined.c.count)).all() == [("", 0.0)]
        before = figures(connection, View("all")).sent
    run(store, [("batch", batch("b2", windows[3:]))])
    with store.reading() as connection:
        assert days_around(connection, {("gw-a", DAY_START_MS)}) == {Day("gw-a", DAY_START_MS, DAY_MS)}
        after = figures(connection, View("all")).sent
    # 4 windows of 10 with 4 variances, and 6 outcomes of 5 with 6 variances, in each of 2 zones: 2 x (0.6 x 40 + 0.4 x 30).
    assert before.value == 60
    assert after.value == pytest.approx(72)
    assert after.variance == pytest.approx(2 * 2.4 * VARIANCE)
    store.close()


def test_what_is_older_is_forgotten_in_all_sums() -> None:
    store = Store("sqlite://")
    run(store, [("batch", batch("b1", [record for record in POOL if record["gateway"] == "gw-a"]))])
    border_ms = DAY_START_MS + DAY_MS
    with store.writing() as connection:
        forget(connection, border_ms)
        for table in (hours, contacts, joined, health):
            connection.execute(delete(table).where(table.c.window_start_ms < border_ms))
    assert same(held(store), recomputed(store))
    assert {key[1] for key in held(store)} >= {EVER, border_ms}
    store.close()
