"""An offer of a shop is closed while the shop is, by the wall, also on the nights when the clocks change."""

from __future__ import annotations

import pytest

from tests.core.test_gates import OFTEN, closed_to, open_at
from tests.kit.testbed import NOON_MS, berlin_ms, offer


@pytest.mark.parametrize(
    ("hours", "now_ms", "is_closed"),
    [
        ("Mo-Su 08:00-12:00", NOON_MS - 1, False),
        ("Mo-Su 08:00-12:00", NOON_MS, True),
        ("Mo-Su 12:00-18:00", NOON_MS, False),
        ("Mo-Su 18:00-03:00", berlin_ms(2026, 10, 25, 2, 59, 59, fold=0), False),
        ("Mo-Su 18:00-03:00", berlin_ms(2026, 10, 25, 2, 59, 59, fold=1), False),
        ("Mo-Su 18:00-03:00", berlin_ms(2026, 10, 25, 3), True),
        ("Mo-Su 18:00-02:30", berlin_ms(2026, 3, 29, 3), True),
        ("Mo-Su 18:00-24:00", berlin_ms(2026, 6, 10, 23, 59, 59, 999), False),
        ("Mo-Su 18:00-24:00", berlin_ms(2026, 6, 11), True),
    ],
    ids=["last", "closes", "opens", "autumn first", "autumn second", "autumn after", "spring", "23:59:59", "midnight"],
)
def test_a_shop_is_open_by_the_wall(hours: str, now_ms: int, *, is_closed: bool) -> None:
    assert closed_to(OFTEN, open_at(hours, now_ms)) == ("closed" if is_closed else None)


def test_a_service_message_and_an_offer_of_another_shop_need_no_open_door() -> None:
    asked = open_at("Mo-Su 14:00-18:00")
    assert closed_to(offer(per_person_day_max=60, kind="service"), asked) is None
    assert closed_to(offer(per_person_day_max=60, shop="bar"), asked) is None
