"""Ten thousand new addresses a minute for ten minutes: all limits hold, and consenting people are still recognised."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from gateway.core import limits
from gateway.core.state import State
from gateway.core.types import Observation, Sighting
from tests.core.resolving import address_of, seeded
from tests.kit.testbed import CLEAR_DBM, Gateway, Phone, make_site

MINUTES, NEW_A_MINUTE, BATCHES_A_MINUTE = 10, 10_000, 30
CACHED_MAX = 8_000  # less than the limit, so that the flood reaches it soon
KEY = "ec0234a357c8ad05341010a60a397d9b"
MEGABYTE = 1_000_000


def sizes(state: State) -> dict[str, int]:
    """How many entries every table of the world has."""
    return {
        f"{name}.{table}": len(rows)
        for name in state.__struct_fields__
        for table, rows in vars(getattr(state, name)).items()
        if hasattr(rows, "__len__")
    }


def test_a_flood_of_addresses_fills_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADDRESSES_CACHED_MAX", CACHED_MAX)
    gateway = Gateway(tmp_path, site=make_site(), synced=False)
    tagged, keyed, draws = Phone(), Phone("phone-0002"), seeded(1)
    gateway.apply(tagged.consent(), keyed.consent(tags=(), irks=(KEY,)))
    rows = {table: len(gateway.rows(table)) for table in gateway.tables()}
    discarded: dict[str, int] = {}
    grown: list[int] = []
    tracemalloc.start()
    for minute in range(MINUTES):
        address = address_of(KEY, draws.randbytes(3))
        for _ in range(BATCHES_A_MINUTE):
            gateway.clock.advance(60_000 // BATCHES_A_MINUTE)
            crowd: list[Observation] = [
                Sighting("scan-cafe", draws.randbytes(6).hex(), CLEAR_DBM, at_ms=gateway.clock.now_ms())
                for _ in range(NEW_A_MINUTE // BATCHES_A_MINUTE)
            ]
            changes = gateway.apply(*crowd, tagged.near("scan-cafe"), Sighting("scan-bar", address, CLEAR_DBM))
            assert changes.discarded.total() + changes.totals["kept"] == len(crowd) + 2
            for reason, count in changes.discarded.items():
                discarded[reason] = discarded.get(reason, 0) + count
            assert max(sizes(gateway.state).values()) <= CACHED_MAX
        if minute >= MINUTES // 2:
            grown.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert discarded == {"not_consented": MINUTES * BATCHES_A_MINUTE * (NEW_A_MINUTE // BATCHES_A_MINUTE)}
    found = sizes(gateway.state)
    assert found.pop("people.addresses") == CACHED_MAX, "the flood reached the limit"
    assert max(found.values()) <= 10
    assert max(grown) - min(grown) < MEGABYTE, "memory stands still once the tables are full"
    present = {(place, presence.entered_ms is not None) for place, presence in gateway.state.visits.presences.items()}
    mine = {(gateway.state.people.identities[phone.device], zone) for phone, zone in ((tagged, "cafe"), (keyed, "bar"))}
    assert present == {(place, True) for place in mine}
    after = {table: len(gateway.rows(table)) for table in gateway.tables()}
    added = {table: after[table] - rows[table] for table in after if after[table] != rows[table]}
    assert set(added) <= {"presences", "decisions", "windows", "triggers", "contacts", "contexts", "history", "meta", "words"}
    assert max(added.values()) <= 4
    gateway.close()


def test_the_limits_hold_what_the_flood_brings() -> None:
    """Addresses live for a quarter of an hour: the flood's own would need more room than there is, so the oldest are let go."""
    assert NEW_A_MINUTE * MINUTES / 4 < limits.ADDRESSES_CACHED_MAX < NEW_A_MINUTE * MINUTES
