"""Bad terms, contacts outside the tables, and a clock that moves: each is refused or fails closed, and an error states the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.adapters.store.entropy import SystemEntropy
from gateway.config import ConfigError
from gateway.core.privacy.release import hour_record, offer_records
from gateway.core.privacy.tables import Catalogue, Contact, Period, Terms
from gateway.core.records import HourCounts, OfferCounts
from tests.adapters.test_release import Counting, closed, released, sent
from tests.kit.gateways import settings_of, write_config
from tests.kit.testbed import DAY_MS, HOUR_MS, NOON_MS

MORNING_MS = NOON_MS - NOON_MS % DAY_MS
ONE = Catalogue("gw-t", ("cafe",), {"flat-white": ("cafe",)})


@pytest.mark.parametrize(
    ("setting", "cause", "way_out"),
    [
        ("epsilon_day=0", "epsilon 0 gives no privacy or no figures", "choose 0.01 to 10"),
        ("epsilon_day=-1", "epsilon -1 gives no privacy or no figures", "choose 0.01 to 10"),
        ("epsilon_day=11", "epsilon 11 gives no privacy or no figures", "choose 0.01 to 10"),
        ("epsilon_day=inf", "epsilon inf gives no privacy or no figures", "choose 0.01 to 10"),
        ("epsilon_day=nan", "epsilon nan gives no privacy or no figures", "choose 0.01 to 10"),
        ("contacts_max=0", "0 contacts cannot be the bound of a person's day", "choose 1 to 16"),
        ("contacts_max=17", "17 contacts cannot be the bound of a person's day", "choose 1 to 16"),
        ("window_s=1", "window_s 1 must be at least 600", "for simulated people, set demonstration = true"),
        ("window_s=599", "window_s 599 must be at least 600", "such as 3600"),
        ("window_s=7000", "window_s 7000 must be at least 600 and divide a day", "such as 3600"),
        ("window_s=0", "0 s is no window", "choose 600 to 86400"),
        ("window_s=90000", "90000 s is no window", "choose 600 to 86400"),
        ('phone_regions=["XX"]', "'XX' is no country with phone numbers", "such as DE"),
        ("tables=3", "unknown key", ""),
    ],
)
def test_terms_that_protect_nobody_are_refused_in_plain_language(tmp_path: Path, setting: str, cause: str, way_out: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_of(write_config(tmp_path), f"privacy.{setting}")
    assert cause in str(refused.value)
    assert way_out in str(refused.value)
    assert "privacy" in str(refused.value)


@pytest.mark.parametrize("count", [-1, -(2**40)])
def test_a_negative_count_releases_nothing(count: int) -> None:
    period = Period(MORNING_MS, MORNING_MS, Terms())
    with pytest.raises(ValueError, match="contacts cannot have been counted: nothing is released"):
        hour_record(ONE, period, {"cafe": count}, SystemEntropy(), "w")
    with pytest.raises(ValueError, match="nothing is released"):
        offer_records(ONE, period, {("cafe", "flat-white", "redeemed"): count}, SystemEntropy(), "w")


def test_a_contact_outside_the_tables_or_the_catalogue_is_in_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.core.privacy.laplace.discrete_laplace", lambda *_: 0)
    counting = Counting(tmp_path / "a")
    counting.turn(NOON_MS)
    counting.count(
        Contact("visits", "s1", "p1", "cafe"),  # type: ignore[arg-type]
        sent("p2", zone="another-zone"),
        Contact("offers", "s3", "p3", "cafe", "another-offer", "redeemed"),
        Contact("offers", "s4", "p4", "cafe", "flat-white", "another-outcome"),
    )
    counting.turn(NOON_MS + DAY_MS)
    made = [record for record in counting.outbox() if isinstance(record, HourCounts | OfferCounts)]
    assert {count for record in made for count in record.counts} == {0}
    assert counting.store.counted().contacts_dropped == 1, "the unknown table"
    assert "another" not in str(made)
    counting.close()


@pytest.mark.parametrize("jump_ms", [-2 * DAY_MS, -HOUR_MS, DAY_MS, 400 * DAY_MS])
def test_a_clock_that_moves_between_freeze_and_send_changes_no_byte(tmp_path: Path, jump_ms: int) -> None:
    counting = Counting(tmp_path / "a")
    counting.turn(NOON_MS)
    counting.count(sent("p1"), closed("p1"))
    counting.turn(NOON_MS + DAY_MS)
    batch = counting.store.next_batch("gw-t")
    counting.turn(NOON_MS + DAY_MS + jump_ms, "again")
    assert counting.store.next_batch("gw-t") == batch
    for hour in range(1, 50):
        counting.turn(NOON_MS + DAY_MS + jump_ms + hour * HOUR_MS, f"later{hour}.")
    assert set(released(counting.outbox()).values()) == {1}
    assert not counting.rows("SELECT * FROM ledger WHERE hours + offers > budget")
    counting.close()
