"""A wrong clock is not lateness, and lateness is not a wrong clock."""

from __future__ import annotations

import pytest

from gateway.core import clocks, limits
from gateway.core.clocks import LOWS_KEPT, PERIOD_MS, DeviceClock
from gateway.core.context import READING_MS_MAX
from gateway.core.types import Position, Reading, Sighting
from tests.kit.testbed import CLEAR_DBM, Gateway, Phone

SLOW_MS = 45_000


def fold(lags_ms: list[int], every_ms: int = PERIOD_MS) -> DeviceClock:
    clock: DeviceClock | None = None
    for index, lag_ms in enumerate(lags_ms):
        clock = clocks.fold_lag(clock, lag_ms, index * every_ms)
    assert clock is not None
    return clock


@pytest.mark.parametrize(
    ("lags_ms", "error_ms"),
    [
        ([SLOW_MS], 0),
        ([SLOW_MS] * (LOWS_KEPT - 1), 0),
        ([SLOW_MS] * LOWS_KEPT, SLOW_MS),
        ([46_000, 45_200, 49_000, 45_100], 45_100),
        ([600_000, 400_000, 200_000, 45_000], 0),  # catching up: no two lows agree
        ([45_000, 45_000, 45_000, 900_000], 0),  # so unsteady that nothing is certain
        ([45_000] * LOWS_KEPT + [900_000, 700_000], 45_000),  # a slow clock that was cut off for a while
        ([900_000] + [45_000] * LOWS_KEPT, 45_000),
        ([45_000] * LOWS_KEPT + [100], 100),  # the clock was corrected
        ([-30_000], -30_000),  # ahead: nothing arrives before it was sent
        ([200, 150, 300, 120], 120),
    ],
)
def test_a_clocks_error_is_what_its_lags_agree_on(lags_ms: list[int], error_ms: int) -> None:
    assert fold(lags_ms).error_ms == error_ms


def test_within_a_period_only_the_least_lag_counts() -> None:
    clock = fold([500, 700, 300, 900], every_ms=1000)
    assert clock == DeviceClock(0, (300,), 0)
    assert clocks.fold_lag(clock, 400, 5000) is clock


def test_a_scanner_with_a_slow_clock_is_heard_once_that_is_certain(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    outcomes = []
    for _ in range(LOWS_KEPT + 2):
        gateway.clock.advance(PERIOD_MS)
        changes = gateway.apply(Sighting("scan-cafe", phone.tag, CLEAR_DBM, at_ms=gateway.clock.now_ms() - SLOW_MS))
        outcomes.append((dict(changes.discarded), [transition.kind for transition in changes.visits.transitions]))
    late: tuple[dict[str, int], list[str]] = ({"late": 1}, [])
    assert outcomes == [late] * (LOWS_KEPT - 1) + [({}, []), ({}, ["entered"]), ({}, [])]
    # After two minutes offline it sends its backlog, which is late by its own clock too.
    stale = Sighting("scan-cafe", phone.tag, CLEAR_DBM, at_ms=gateway.clock.now_ms() - SLOW_MS - 120_000)
    assert gateway.apply(stale).discarded == {"late": 1}
    gateway.clock.advance(PERIOD_MS)
    stale = Sighting("scan-cafe", phone.tag, CLEAR_DBM, at_ms=gateway.clock.now_ms() - SLOW_MS - 90_000)
    fresh = Sighting("scan-cafe", phone.tag, CLEAR_DBM, at_ms=gateway.clock.now_ms() - SLOW_MS)
    assert gateway.apply(stale, fresh).discarded == {"late": 1}, "and what it hears now counts at once"


def test_what_a_scanner_tells_after_an_outage_is_late(gateway: Gateway) -> None:
    """Ten minutes of sightings within eight seconds, with a correct clock: only present ones begin a visit."""
    phone = Phone()
    gateway.apply(phone.consent())
    for second in range(0, 600, 5):
        gateway.clock.advance(66)
        at_ms = gateway.clock.now_ms() - (600 - second) * 1000
        changes = gateway.apply(Sighting("scan-cafe", phone.tag, CLEAR_DBM, at_ms=at_ms))
        assert changes.discarded == ({"late": 1} if second < 570 else {})


def test_a_clock_that_is_ahead_makes_no_late_word_fresh(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    ahead_ms = 50_000
    for lag_ms, late in ((0, False), (40_000, True), (29_000, False)):
        gateway.clock.advance(1000)
        at_ms = gateway.clock.now_ms() + ahead_ms - lag_ms
        assert gateway.apply(Sighting("scan-cafe", phone.tag, CLEAR_DBM, at_ms=at_ms)).discarded == ({"late": 1} if late else {})


def test_a_phone_with_a_slow_clock_is_placed(gateway: Gateway) -> None:
    phone = Phone()
    gateway.apply(phone.consent())
    fix = phone.at(0.0, accuracy_m=5.0)
    kinds: list[str] = []
    for _ in range(LOWS_KEPT):
        gateway.clock.advance(60_000)
        claimed = Position(fix.device, fix.latitude_deg, fix.longitude_deg, fix.accuracy_m, gateway.clock.now_ms() - SLOW_MS)
        kinds += [transition.kind for transition in gateway.apply(claimed).visits.transitions]
    assert kinds == ["entered"]
    gateway.apply(phone.withdrawal())
    assert phone.device not in gateway.state.sensors.clocks, "not even their clock is remembered"


def test_a_reading_is_as_old_as_it_says(gateway: Gateway) -> None:
    now_ms = gateway.clock.now_ms()

    def fold(value: float, at_ms: int | None) -> str | None:
        return next(iter(gateway.apply(Reading("sensor-cafe", "temperature", value, at_ms=at_ms)).discarded), None)

    assert fold(20.0, now_ms - 3_600_000) is None
    assert gateway.state.sensors.zones["cafe"].readings["temperature"] == (20.0, now_ms - 3_600_000)
    assert fold(10.0, now_ms - READING_MS_MAX - 1) == "late"
    assert fold(19.0, now_ms - 7_200_000) is None
    assert gateway.state.sensors.zones["cafe"].readings["temperature"][0] == 20.0, "one from before changes nothing"
    assert fold(21.0, 1_000) is None, "a clock that nobody has set says nothing: it counts as of now"
    assert gateway.state.sensors.zones["cafe"].readings["temperature"] == (21.0, now_ms)


def test_a_set_clock_takes_what_is_known_with_it(gateway: Gateway) -> None:
    gateway.apply(Reading("sensor-cafe", "temperature", 20.0))
    step_ms = -86_400_000
    gateway.clock.step(step_ms)
    gateway.state.rebase(gateway.clock.take_step())
    assert gateway.state.sensors.zones["cafe"].readings["temperature"] == (20.0, gateway.clock.now_ms())
    gateway.apply(Reading("sensor-cafe", "temperature", 22.0))
    assert gateway.state.sensors.zones["cafe"].readings["temperature"][0] == 22.0


def test_only_so_many_clocks_are_kept(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CLOCK_DEVICES_MAX", 3)
    phones = [Phone(f"phone-{number:04}") for number in range(5)]
    gateway.apply(*(phone.consent() for phone in phones))
    for phone in phones:
        gateway.apply(Sighting(phone.device, "beacon-cafe", CLEAR_DBM, at_ms=gateway.clock.now_ms()))
    assert list(gateway.state.sensors.clocks) == ["phone-0002", "phone-0003", "phone-0004"]
    for number in range(50):
        gateway.apply(Sighting(f"stranger-{number}", "beacon-cafe", CLEAR_DBM, at_ms=gateway.clock.now_ms()))
    assert len(gateway.state.sensors.clocks) == 3, "strangers' clocks are nobody's business"
