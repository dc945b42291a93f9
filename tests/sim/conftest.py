"""One recorded minute of the demo street, shared by tests that only read it."""

from __future__ import annotations

import pytest

from firmware_sim.message import Message
from firmware_sim.scenario import Scenario, load
from firmware_sim.street.street import Street

MINUTE_MS = 60_000
Minute = list[tuple[int, Message]]


@pytest.fixture(scope="session")
def street_plan() -> Scenario:
    """The demo street as it is shipped."""
    return load("street")


def minute_of(plan: Scenario, *, seed: int = 1, start_ms: int | None = None, until_ms: int = MINUTE_MS) -> Minute:
    """Open-loop messages of the street, with times in published milliseconds."""
    said: Minute = []
    street = Street(
        plan,
        seed=seed,
        start_ms=plan.start_ms if start_ms is None else start_ms,
        publish=lambda m: said.append((street.loop.now_ms, m)),
    )
    street.run_until(until_ms)
    return said


@pytest.fixture(scope="session")
def minute(street_plan: Scenario) -> Minute:
    """The first minute of seed 1."""
    return minute_of(street_plan)
