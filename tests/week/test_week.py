"""Days of a street, everything going wrong, and no promise broken; and the same days again, decided alike.

Three seeds of a day, with half as many faults again, here; `make soak` plays the whole week with two hundred people, and a
hundred seeds more.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from firmware_sim.adversaries.names import drawn
from tests.week import again
from tests.week.faults import FAULTS
from tests.week.leaving import Leaks
from tests.week.rig import Plan, Result, Rig, folder, play

SOAK_SEEDS = 100
NEVER_SHARE = 6  # of twelve faults with their own chances, two may not come to anything within two days
ALL = tuple(FAULTS)


def _must_not_be_vacuous(result: Result) -> None:
    """All that could have gone wrong had occasion to."""
    assert min(result.visits, result.offers, result.answers, result.records) >= 40
    assert result.withdrawals >= 1
    assert result.bytes_that_left >= 100_000
    assert result.questions > 10 * result.steps
    never = [name for name, count in result.faults.items() if not count]
    assert all(result.adversaries.values())
    assert len(never) <= len(result.faults) // NEVER_SHARE, f"it never came to {never}"


@pytest.mark.parametrize("seed", [3, pytest.param(1, marks=pytest.mark.soak)])
def test_everything_goes_wrong_and_no_promise_is_broken(seed: int) -> None:
    _must_not_be_vacuous(play(Plan(seed, days=1.0, people=60, faults=ALL, haste=1.5, adversaries=drawn(seed))))


def _must_decide_alike(rig: Rig) -> None:
    assert len(rig.machine.store.rows("SELECT 1 FROM decisions")) >= 50
    with folder() as where:
        assert list(again.differences(rig, where)) == []


def test_the_log_played_again_decides_alike() -> None:
    """All faults but death: after one, a gateway draws other names (see test_crash.py)."""
    result = play(Plan(7, days=1.0, people=30, faults=tuple(name for name in ALL if name != "crash")), look=_must_decide_alike)
    assert result.deaths == 0


def test_the_command_prints_figures_and_refuses_what_it_does_not_know() -> None:
    command = [sys.executable, "-m", "tests.week", "--days", "0.05", "--people", "5", "--json"]
    told = subprocess.run([*command, "--fault", "loss"], capture_output=True, text=True, check=True)
    figures = json.loads(told.stdout)
    assert figures["messages"] > 0
    assert figures["seed"] == 1
    assert figures["faults"]["loss"] > 0
    wrong = subprocess.run([*command, "--fault", "plague"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "no fault is called 'plague'" in " ".join(wrong.stderr.split())


@pytest.mark.parametrize(
    "left",
    [
        b"phone-0042 came",
        b"cGhvbmUtMDA0Mg==",
        b"70686f6e652d30303432",
        b"PHONE-0042",
        b"5A1E00000000400080000000000000FF1000",
        b'{"zone": "AA:BB:CC:DD:EE:01"}',
        b"by aabb-ccdd-ee01",
        b"gw-w.0123456789abcdef",
    ],
)
def test_what_must_not_leave_is_found_in_every_spelling(left: bytes) -> None:
    leaks = Leaks()
    leaks.names = {"phone-0042", "phone-0007", *(f"iBeacon:5a1e0000-0000-4000-8000-0000000000ff-1000-{minor}" for minor in (7, 42))}
    leaks.digits = {"aabbccddee01", "0123456789abcdef"}
    assert leaks.in_bytes(left) is not None
    assert leaks.in_bytes(b'{"zone": "plaza", "offer": "espresso", "count": 3, "id": "gw-w.fedcba9876543210.h"}') is None


@pytest.mark.soak
def test_a_week_of_two_hundred_people() -> None:
    _must_not_be_vacuous(play(Plan(1), look=_must_decide_alike)._replace(faults={}))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 4))
def test_a_week_in_which_everything_goes_wrong(seed: int) -> None:
    _must_not_be_vacuous(play(Plan(seed, faults=ALL, adversaries=drawn(seed))))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 100 + SOAK_SEEDS))
def test_a_hundred_seeds(seed: int) -> None:
    _must_not_be_vacuous(play(Plan(seed, days=2.0, people=60, faults=ALL, adversaries=drawn(seed))))


@pytest.mark.soak
@pytest.mark.parametrize("fault", ALL)
def test_each_fault_alone(fault: str) -> None:
    _must_not_be_vacuous(play(Plan(11, days=3.0, people=80, faults=(fault,), cadence_s=120)))
