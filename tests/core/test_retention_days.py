"""Retention over simulated days, 400 of them in the soak: no daily check finds a row that is older than its days."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core import limits
from gateway.core.privacy.tables import Terms
from gateway.core.site import Retention, Site
from tests.kit.testbed import DAY_MS, Gateway, Phone, make_site, purchase

SHORT = Retention(visits_days=5, decisions_days=9, facts_days=30, withdrawals_days=60)


def site(retention: Retention) -> Site:
    return make_site(retention=retention, privacy=Terms(window_ms=DAY_MS))


def days(gateway: Gateway, count: int) -> Iterator[int]:
    """Each day: a person comes and answers, the tills sell, and every fifth day somebody else does so and withdraws."""
    lasting = Phone("phone-0001")
    gateway.apply(lasting.consent())
    for day in range(count):
        passing = Phone(f"phone-1{day:03}")
        if day % 5 == 0:
            gateway.apply(passing.consent())
        for phone in (lasting, passing) if day % 5 == 0 else (lasting,):
            for _ in range(2):
                gateway.clock.advance(1_000)
                triggers = gateway.apply(phone.near("scan-cafe")).decisions.triggers
                gateway.apply(
                    *(phone.answer(one.id) for one in triggers), *(purchase("till-cafe", day, decision=one.id) for one in triggers)
                )
        gateway.pass_time(DAY_MS - 4_000)
        if day % 5 == 0:
            gateway.apply(passing.withdrawal())
        yield day


TIMES = {"visits": "left_ms"}  # the column of the age, at_ms in the others


def outdated(gateway: Gateway) -> dict[str, int]:
    """Rows by table that are older than their days, and a look at them."""
    cuts = gateway.site.retention.cuts(gateway.clock.now_ms() - 2 * limits.PURGE_EVERY_MS)
    found = {
        table: int(gateway.store.people.one(f"SELECT count(*) FROM {table} WHERE {TIMES.get(table, 'at_ms')} < ?", (cut_ms,)))  # noqa: S608 - names of tables
        for table, cut_ms in ((field.removesuffix("_ms"), cut_ms) for field, cut_ms in cuts._asdict().items() if field != "set_ms")
    }
    return {table: rows for table, rows in found.items() if rows}


@pytest.mark.parametrize(
    ("count", "retention"),
    [(45, SHORT), pytest.param(400, SHORT, marks=pytest.mark.soak), pytest.param(400, Retention(), marks=pytest.mark.soak)],
)
def test_no_row_is_older_than_its_days(tmp_path: Path, count: int, retention: Retention) -> None:
    gateway = Gateway(tmp_path, site=site(retention), synced=False)
    most = 0
    for _ in days(gateway, count):
        assert not outdated(gateway)
        most = max(most, len(gateway.rows("decisions")))
    assert most >= min(retention.decisions_days, count), "rows were kept for their days"
    gateway.store.close()


def test_without_the_purge_the_check_finds_rows(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, site=site(SHORT), synced=False)
    for _ in days(gateway, 12):
        gateway.state.retention.settles_ms = gateway.clock.now_ms() + 10 * DAY_MS
    assert {"visits", "decisions"} <= outdated(gateway).keys()
    gateway.store.close()
