"""Effectively once: whatever is sent twice, reordered, overlapped or raced, the table is the same."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import select
from starlette.testclient import TestClient

from dashboard.intake import decode
from dashboard.refusals import Refused
from dashboard.schema import contacts, health, hours, records
from dashboard.settings import Settings, sqlite_url
from dashboard.store import Store
from tests.web.conftest import ManualClock, Post
from tests.web.seed import HOUR_MS, START_MS, TOKENS, Json, batch, bearer, offers, packed, street_batches
from tests.web.seed import health as health_record
from tests.web.seed import hours as hour_record


def rows(store: Store) -> list[tuple[Any, ...]]:
    """Everything that is held, but not when it came."""
    with store.reading() as connection:
        ids = connection.execute(select(records.c.gateway, records.c.id, records.c.digest)).all()
        found = [*ids, *(row for table in (hours, contacts, health) for row in connection.execute(select(table)).all())]
    return sorted((tuple(row) for row in found), key=repr)


NOW_MS = START_MS + 12 * HOUR_MS


def take(store: Store, body: Json, now_ms: int = NOW_MS) -> tuple[str, ...]:
    return store.take(decode(json.dumps(body).encode(), body["gateway"]), now_ms).taken


POOL = [hour_record(f"c{number}", {"plaza": number}, gateway=gateway, window=number) for number in range(6) for gateway in TOKENS]
POOL += [health_record(f"h{number}", gateway=gateway, window=number) for number in range(3) for gateway in TOKENS]


@st.composite
def sendings(draw: st.DrawFn) -> tuple[list[Json], list[Json]]:
    """Overlapping batches, and an order in which each is sent at least once and some are sent again."""
    batches = []
    for number in range(draw(st.integers(1, 5))):
        gateway = draw(st.sampled_from(sorted(TOKENS)))
        own = [record for record in POOL if record["gateway"] == gateway]
        batches.append(batch(f"b{number}", draw(st.lists(st.sampled_from(own), max_size=8)), gateway))
    again = draw(st.lists(st.sampled_from(batches), max_size=6))
    return batches, draw(st.permutations([*batches, *again]))


@examples(max_examples=60, deadline=None, derandomize=True)
@given(sendings())
def test_any_order_and_any_repetition_gives_the_same_table(sending: tuple[list[Json], list[Json]]) -> None:
    batches, order = sending
    once, often = Store("sqlite://"), Store("sqlite://")
    for body in batches:
        take(once, body)
    for moment, body in enumerate(order, NOW_MS):
        assert take(often, body, moment) == tuple(dict.fromkeys(record["id"] for record in body["records"]))
    assert rows(once) == rows(often)
    distinct = {(record["gateway"], record["id"]) for body in batches for record in body["records"]}
    assert len(rows(often)) == 2 * len(distinct)  # each id, and each count or health
    once.close()
    often.close()


def test_senders_that_race_with_the_same_batches_all_get_the_same_receipt(tmp_path: Path) -> None:
    store = Store(sqlite_url(tmp_path / "race.db"))
    batches = street_batches()
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda body: take(store, body), batches * 4))
    assert taken == [tuple(record["id"] for record in body["records"]) for body in batches] * 4
    alone = Store("sqlite://")
    for body in batches:
        take(alone, body)
    assert rows(store) == rows(alone)
    store.close()
    alone.close()


def test_the_receipt_names_the_ids_and_a_retry_gets_the_same_one(post: Post, client: TestClient) -> None:
    body = batch("b1", [hour_record("r1"), health_record("r2"), hour_record("r1")])
    first, second = post(body), post(body)
    assert (first.status_code, first.json()) == (200, {"batch": "b1", "taken": ["r1", "r2"]})
    assert (second.status_code, second.content) == (200, first.content)
    assert client.get("/v1/summary").json()["records"] == 2


def test_a_record_of_offers_becomes_a_row_for_each_zone_and_outcome(post: Post, settings: Settings) -> None:
    counts = {"plaza": {"ignored": 3, "redeemed": -2}, "cafe": {"held_out": 5}}
    assert post(batch("b1", [offers("r1", counts, variance=2.0)])).status_code == 200
    store = Store(settings.database_url)
    with store.reading() as connection:
        found = connection.execute(select(contacts.c.zone, contacts.c.outcome, contacts.c.count).where(contacts.c.count != 0)).all()
        assert len(connection.execute(select(contacts)).all()) == 16
    store.close()
    assert {tuple(row) for row in found} == {("plaza", "ignored", 3), ("plaza", "redeemed", -2), ("cafe", "held_out", 5)}


def test_a_retry_with_other_spacing_is_the_same_batch(client: TestClient) -> None:
    body = batch("b1", [hour_record("r1")])
    for text in (json.dumps(body), json.dumps(body, indent=3), json.dumps(dict(reversed(body.items())))):
        answer = client.post("/v1/batches", content=packed(json.loads(text)), headers=bearer())
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "second",
    [
        batch("b2", [hour_record("new"), hour_record("r1", {"plaza": 9})]),
        batch("b2", [hour_record("new"), health_record("r1")]),
        batch("b2", [hour_record("new", {"plaza": 3}), hour_record("new", {"plaza": 4})]),
        batch("b1", [hour_record("new")]),
        batch("b1", []),
    ],
    ids=["other count", "other type", "twice within", "batch id used again", "batch id used again, empty"],
)
def test_an_id_that_means_something_else_is_409_and_nothing_is_stored(second: Json, post: Post, client: TestClient) -> None:
    assert post(batch("b1", [hour_record("r1")])).status_code == 200
    before = client.get("/v1/summary").json()
    answer = post(second)
    assert answer.status_code == 409
    assert set(answer.json()) == {"error"}
    assert client.get("/v1/summary").json() == before
    # The ids that came along are still free.
    assert post(batch("b3", [hour_record("new")])).status_code == 200


def test_each_gateway_has_its_own_ids(post: Post, client: TestClient) -> None:
    assert post(batch("b1", [hour_record("r1")])).status_code == 200
    assert post(batch("b1", [hour_record("r1", {"plaza": 2}, gateway="gw-b")], "gw-b")).status_code == 200
    assert client.get("/v1/summary").json()["sent"]["value"] == 3


def test_a_refused_batch_is_no_sign_of_life(post: Post, client: TestClient, clock: ManualClock) -> None:
    first_ms = clock.now_ms
    post(batch("b1", [hour_record("r1")]))
    clock.advance(1_000)
    assert post(batch("b2", [hour_record("r1", {"plaza": 5})])).status_code == 409
    assert client.get("/v1/summary").json()["gateways"][0]["last_seen_ms"] == first_ms
    assert post(batch("b1", [hour_record("r1")])).status_code == 200
    assert client.get("/v1/summary").json()["gateways"][0]["last_seen_ms"] == first_ms + 1_000


def test_what_was_taken_is_there_after_a_restart(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "kept.db")
    store = Store(url)
    take(store, batch("b1", [hour_record("r1")]))
    before = rows(store)
    store.close()
    again = Store(url)
    assert rows(again) == before
    with pytest.raises(Refused, match="other content"):
        take(again, batch("b2", [hour_record("r1", {"plaza": 2})]))
    again.close()
