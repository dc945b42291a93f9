"""Ended visits are kept only with consent to learning, and all rows only for their retention."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.core import limits
from gateway.core.privacy.tables import Terms
from gateway.core.site import Retention
from gateway.core.state import State
from gateway.core.types import Position, Purpose, TimePassed
from tests.core.test_engine import enter
from tests.kit.testbed import (
    DAY_MS,
    EVERYTHING,
    FAINT_DBM,
    HOUR_MS,
    NOON_MS,
    SQUARE_LATITUDE_DEG,
    SQUARE_LONGITUDE_DEG,
    Gateway,
    Phone,
    make_site,
    purchase,
)

AGED = ("visits", "decisions", "facts", "withdrawals")


def visit(gateway: Gateway, phone: Phone, stay_s: int = 20) -> None:
    """Come to the cafe, stay, and go."""
    enter(gateway, phone)
    for _ in range(stay_s // 10):
        gateway.pass_time(10_000)
        gateway.apply(phone.near("scan-cafe"))
    gateway.pass_time(gateway.site.presence.exit_after_ms + 1)


def ages_days(gateway: Gateway) -> dict[str, float]:
    """How old the oldest row of each table is."""
    now_ms, oldest = gateway.clock.now_ms(), {}
    for table in AGED:
        time = "left_ms" if table == "visits" else "at_ms"
        ((at_ms,),) = gateway.store._db.execute(f"SELECT coalesce(min({time}), {now_ms}) FROM {table}")  # noqa: S608 - names from above
        oldest[table] = (now_ms - at_ms) / DAY_MS
    return oldest


# --- visits ----------------------------------------------------------------------------------------------


def test_an_ended_visit_is_kept_with_what_is_known_of_it(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    came_ms = gateway.clock.now_ms() + 1000
    visit(gateway, phone, stay_s=90)
    ((subject, entered_ms, zone, left_ms, confidence, heard, day),) = gateway.rows("visits")
    assert (subject, zone) == (gateway.state.people.identities[phone.device], "cafe")
    assert (entered_ms, left_ms) == (came_ms, came_ms + 90_000)
    assert confidence == pytest.approx(1.0, abs=0.01)
    assert (heard, day) == (11, left_ms // DAY_MS)


@pytest.mark.parametrize(
    ("purposes", "kept"),
    [(EVERYTHING, 1), (("presence", "learning"), 1), (("presence", "offers", "measurement"), 0), (("learning",), 0)],
)
def test_visits_are_kept_of_who_may_be_learned_from(gateway: Gateway, purposes: Sequence[Purpose], kept: int) -> None:
    phone = Phone()
    gateway.apply(phone.consent(purposes))
    visit(gateway, phone)
    assert len(gateway.rows("visits")) == kept


def test_a_visit_is_stored_with_its_end_or_not_at_all(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    enter(gateway, phone)
    gateway.clock.advance(gateway.site.presence.exit_after_ms)
    left = gateway.advance(TimePassed())
    assert [transition.kind for transition in left.visits.transitions] == ["left"]
    gateway.crash()
    assert gateway.rows("visits") == []
    gateway.commit(left)
    assert (len(gateway.rows("visits")), gateway.rows("presences")) == (1, [])


def test_a_visit_of_which_nobody_knows_the_day_is_not_kept(tmp_path: Path) -> None:
    """A visit that began with a clock of 1970 would seem to have lasted for half a century."""
    gateway = Gateway(tmp_path, site=make_site(clock_floor_ms=NOON_MS + HOUR_MS))
    phone = Phone()
    gateway.apply(phone.consent())
    visit(gateway, phone)
    assert gateway.rows("visits") == []
    gateway.clock.advance(HOUR_MS)
    visit(gateway, phone)
    assert len(gateway.rows("visits")) == 1
    gateway.close()


def test_a_no_takes_the_estimate_of_their_clock_with_it(gateway: Gateway) -> None:
    """Also if the same batch holds a repeated fact of the phone."""
    phone = Phone()
    gateway.apply(phone.consent())
    here = Position(phone.device, SQUARE_LATITUDE_DEG, SQUARE_LONGITUDE_DEG, at_ms=gateway.clock.now_ms())
    gateway.apply(here, phone.withdrawal())
    assert phone.device not in gateway.state.sensors.clocks


def test_a_restart_keeps_what_is_known_of_an_open_visit(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    enter(gateway, phone)
    before = gateway.state.visits.presences[gateway.state.people.identities[phone.device], "cafe"]
    gateway.restart(5_000)
    after = gateway.state.visits.presences[before.subject, "cafe"]
    assert (after.confidence, after.observations, after.entered_ms) == (before.confidence, before.observations, before.entered_ms)
    assert after.confidence > 0.9


def test_a_no_takes_the_visits_with_it(gateway: Gateway) -> None:
    phone, other = Phone(), Phone("phone-0002")
    gateway.apply(phone.consent(), other.consent())
    visit(gateway, phone)
    visit(gateway, other)
    enter(gateway, phone)
    subject = gateway.state.people.identities[phone.device]
    gateway.apply(phone.withdrawal())
    assert [row[0] for row in gateway.rows("visits")] == [gateway.state.people.identities[other.device]]
    assert subject not in gateway.dump()


def test_a_yes_without_learning_takes_the_visits_back(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    visit(gateway, phone)
    gateway.apply(phone.consent(("presence", "offers")))
    assert gateway.rows("visits") == []


def test_a_visit_that_the_end_of_a_yes_ends_is_not_kept(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent(expires_at_ms=gateway.clock.now_ms() + 20_000))
    enter(gateway, phone)
    gateway.pass_time(HOUR_MS)
    assert (gateway.rows("visits"), gateway.rows("presences"), gateway.rows("contexts")) == ([], [], [])


# --- for how long ----------------------------------------------------------------------------------------


def test_nothing_is_kept_for_longer_than_it_may_be(tmp_path: Path) -> None:
    """Half a year of a small street, a check every day: a visit, an offer, a purchase and a no each day."""
    keep = Retention(visits_days=9, decisions_days=20, facts_days=40, withdrawals_days=60)
    gateway = Gateway(tmp_path, site=make_site(retention=keep, privacy=Terms(window_ms=DAY_MS)), synced=False)
    phone = Phone()
    gateway.apply(phone.consent())
    most = dict.fromkeys(AGED, 0.0)
    for day in range(180):
        visit(gateway, phone)
        fickle = Phone(f"phone-{1000 + day}")
        gateway.apply(purchase("till-cafe", day + 1), fickle.consent())
        gateway.apply(fickle.withdrawal())
        gateway.clock.advance(DAY_MS - 60_000)
        gateway.apply(TimePassed())
        most = {table: max(age, most[table]) for table, age in ages_days(gateway).items()}
    expected = {"visits": 9, "decisions": 20, "facts": 40, "withdrawals": 60}
    assert {table: round(age) for table, age in most.items()} == expected
    assert all(age <= expected[table] for table, age in most.items())
    assert len(gateway.rows("contexts")) == 1, "a yes that stands is not a matter of days"
    gateway.close()


def test_much_is_purged_in_slices_and_the_rest_soon_after(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PURGE_ROWS_MAX", 10)
    gateway.apply(*(purchase("till-cafe", number) for number in range(25)))
    gateway.clock.advance(401 * DAY_MS)
    left = []
    for _ in range(4):
        gateway.apply(TimePassed())
        left.append((len(gateway.rows("facts")), gateway.state.retention.next_ms - gateway.clock.now_ms()))
        gateway.clock.advance(limits.PURGE_AGAIN_MS)
    again, later = limits.PURGE_AGAIN_MS, limits.PURGE_EVERY_MS
    assert left == [(15, again), (5, again), (0, again), (0, later)]


def test_nothing_is_purged_by_a_clock_that_nobody_has_set(gateway: Gateway) -> None:
    gateway.apply(purchase("till-cafe", 1))
    gateway.restart(500 * DAY_MS)
    gateway.apply(TimePassed())
    assert len(gateway.rows("facts")) == 1, "a clock may be wrong at the start; the network sets it soon"
    gateway.clock.advance(limits.PURGE_FIRST_MS)
    gateway.clock.step(-501 * DAY_MS)
    gateway.state.rebase(gateway.clock.take_step())
    gateway.apply(TimePassed())
    assert len(gateway.rows("facts")) == 1, "it was a wrong clock"
    gateway.clock.step(501 * DAY_MS)
    gateway.state.rebase(gateway.clock.take_step())
    gateway.clock.advance(limits.PURGE_EVERY_MS)
    gateway.apply(TimePassed())
    assert gateway.rows("facts") == []


def test_a_no_is_remembered_while_an_older_yes_may_be_on_its_way(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    late_yes = phone.consent()
    gateway.apply(phone.withdrawal())
    gateway.clock.advance(100 * DAY_MS)
    gateway.apply(TimePassed())
    assert gateway.apply(late_yes).discarded == {"overtaken": 1}


def test_timers_that_are_outdated_do_not_pile_up(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person at the threshold approaches again and again: each approach has a timer, and outdated timers are dropped."""
    monkeypatch.setattr(limits, "TIMERS_SPARE_MAX", 50)
    phone = Phone()
    gateway.apply(phone.consent())
    enter(gateway, phone)
    for _ in range(1000):
        gateway.clock.advance(20)
        gateway.apply(phone.near("scan-bar", CLEAR_ENOUGH_DBM), phone.near("scan-cafe", FAINT_DBM + 20))
    assert isinstance(gateway.state, State)
    assert len(gateway.state.visits._timers) <= 50 + 2 * len(gateway.state.visits.presences) + 1


CLEAR_ENOUGH_DBM = -74.0
