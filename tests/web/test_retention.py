"""Old months go from all tables and sums, on SQLite by days and on PostgreSQL by partitions; a record of them does not come back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import func, select, text

from dashboard.app import create_app
from dashboard.partitions import PARTS, month_name, month_start_ms, next_month_ms
from dashboard.people.accounts import Accounts
from dashboard.people.audit import entries
from dashboard.retention import Retention, first_ms
from dashboard.rollups import stored
from dashboard.schema import batches, hours, records, sums
from dashboard.settings import Settings, sqlite_url
from dashboard.store import Store
from tests.web.fill import RECORDS_PER_DAY, fill
from tests.web.postgres import Postgres
from tests.web.seed import DAY_MS, DAY_START_MS, TOKENS, batch
from tests.web.seed import hours as hour_record
from tests.web.test_rollups import held, recomputed, same, take

KEEP_DAYS, DAYS, GATEWAYS = 130, 40, 1
NOW_MS = DAY_START_MS + 110 * DAY_MS


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    given = {"tokens": TOKENS, "now_ms": lambda: NOW_MS, "keep_days": KEEP_DAYS, "audit_key": b"k" * 32}
    if request.param == "sqlite":
        yield Settings(database_url=sqlite_url(tmp_path_factory.mktemp("desk") / "old.db"), **given)
        return
    with Postgres() as server:
        yield Settings(database_url=server.url(), **given)


def test_old_months_are_deleted_with_their_sums(settings: Settings) -> None:
    app = create_app(settings)
    accounts: Accounts = app.state.accounts
    store: Store = accounts._store
    with store.writing() as connection:
        assert fill(connection, GATEWAYS, DAYS) == GATEWAYS * DAYS * RECORDS_PER_DAY
    assert same(held(store), recomputed(store))
    border_ms = month_start_ms(NOW_MS - KEEP_DAYS * DAY_MS)
    kept_days = (DAY_START_MS - border_ms) // DAY_MS + 1
    assert 0 < kept_days < DAYS
    retention = Retention(settings, store, accounts)
    steps = 1
    while retention.step():
        steps += 1
    assert not retention.step()
    with store.reading() as connection:
        assert first_ms(connection) == border_ms
        assert connection.execute(select(func.min(hours.c.window_start_ms))).scalar_one() == border_ms
        assert stored(connection)["records"] == GATEWAYS * kept_days * RECORDS_PER_DAY
        assert connection.execute(select(func.count()).select_from(records)).scalar_one() == GATEWAYS * kept_days * RECORDS_PER_DAY
        assert [entry.action for entry in entries(connection, 9)].count("old records deleted") == 1
        if store.is_shared:
            query = text("SELECT relname FROM pg_class WHERE relnamespace = CAST(:parts AS regnamespace) AND relname LIKE 'hours_2%'")
            names = sorted(connection.execute(query, {"parts": PARTS}).scalars())
            assert names[0] == f"hours_{month_name(border_ms).replace('-', '_')}"
    assert steps == (1 if store.is_shared else DAYS - kept_days)
    assert same(held(store), recomputed(store))
    store.close()


def test_the_next_month_begins_where_one_ends() -> None:
    starts = [month_start_ms(DAY_START_MS + day * DAY_MS) for day in range(400)]
    assert all(month_start_ms(next_month_ms(start) - 1) == start < next_month_ms(start) for start in starts)
    assert sorted(set(starts)) == sorted({*starts[:1], *(next_month_ms(start) for start in starts if next_month_ms(start) <= starts[-1])})


def test_a_record_of_a_deleted_month_is_not_counted_again(settings: Settings) -> None:
    app = create_app(settings)
    store: Store = app.state.accounts._store
    old = batch("b1", [hour_record("r1", window=-24 * 60)])
    take(store, old, DAY_START_MS - 60 * DAY_MS)
    retention = Retention(settings, store, app.state.accounts)
    while retention.step():
        pass
    take(store, old, NOW_MS)
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(hours)).scalar_one() == 0
        assert connection.execute(select(func.count()).select_from(batches)).scalar_one() == 1
        assert connection.execute(select(func.count()).select_from(sums).where(sums.c.kind == "zones")).scalar_one() == 0
    store.close()
