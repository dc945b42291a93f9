"""A bounded map: used values survive a flood of others."""

from __future__ import annotations

from gateway.core.recent import Recent


def test_a_value_that_is_used_survives_a_flood_of_others() -> None:
    kept: Recent[int] = Recent(100)
    kept.put("used", 1)
    kept.put("unused", 2)
    for number in range(10_000):
        kept.put(f"flood-{number}", number)
        if number % 20 == 0:
            assert kept.get("used") == 1
        assert len(kept) <= 100
    assert kept.get("unused") is None
    assert kept.get("never") is None
