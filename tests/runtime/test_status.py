"""The status of a gateway: totals that add up, and no personal data."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.build import build
from gateway.core.learning.drift import Losses
from gateway.core.learning.health import Health
from gateway.core.offers import Campaign, Policy
from gateway.core.types import Message
from gateway.runtime.app import App
from gateway.runtime.status import LearningStatus, peak_memory_mib, percentile, retained
from tests.kit.gateways import message, settings_of, walk_in, write_config


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[App]:
    made = build(settings_of(write_config(tmp_path)))
    yield made
    made.store.close()


def test_numbers_add_up(gateway: App) -> None:
    sold = [message("till-cafe", "purchase", seq, amount_minor=450) for seq in range(4)]
    strange = [
        message("till-9", "purchase", 1, amount_minor=450),
        Message("wayside/v1/street/up/x/status", b"{", 0),
        Message("what", b"", 0),
    ]
    everything = [*walk_in(), *sold, sold[0], *strange]
    for one in everything:
        gateway.mailbox.deliver([one])
    assert gateway.turn(0.0) == len(everything)
    told = gateway.status("online")
    assert told.messages == sum(told.messages_by_decoder.values()) == len(everything)
    assert told.messages_by_decoder == {"wayside_v1": len(everything) - 1, "unknown_topic": 1}
    assert told.refused == {"wayside_v1:not_json": 1}
    observed = sum(told.observations_by_decoder.values())
    assert observed + 1 == told.kept + sum(told.discarded.values()), "time passing is an observation too"
    assert told.discarded == {"repeated": 1, "unmapped_device": 1}
    assert told.facts == 1 + len(sold)
    assert (told.visits["entered"], told.triggers, told.decisions) == (1, 1, {"chosen": 1})
    assert (told.triggers_sent, told.trigger_ms_p50) == (0, None), "nobody is connected"
    assert (told.state, told.gateway, told.model, told.mailbox) == ("online", "gw-t", "tiny-1", 0)
    assert told.records_waiting == told.records_made == 0


def test_a_connection_without_observations_is_not_flowing(gateway: App) -> None:
    """A message that is refused moves no time of the last observation; one that is read does."""
    ages: list[int | None] = []
    for one in (Message("wayside/v1/street/up/x/status", b"{", 0), *walk_in()):
        gateway.mailbox.deliver([one])
        gateway.turn(0.0)
        ages.append(gateway.status("online").observed_at_ms)
    assert ages[0] is None
    assert None not in ages[1:]


def test_the_policy_that_decides_is_shown_with_its_losses(gateway: App) -> None:
    assert gateway.status("online").learning is None, "the campaign does not learn"
    gateway.site = msgspec.structs.replace(gateway.site, campaign=Campaign(gateway.site.campaign.offers, Policy(learn=True)))
    shown = gateway.status("online").learning
    assert shown is not None
    assert (shown.policy, shown.answers, shown.calibration_error, shown.started) == ("learned-1", 0, None, 0)
    gateway.state.learning.health = Health(201, Losses(0.7, 201), Losses(0.6, 201), alarms=1, demoted=True)
    assert gateway.status("online").learning == LearningStatus("plain-1", 201, 1, None, 0.7, 0.6, 0)


def test_nothing_of_anybody_is_in_it(gateway: App) -> None:
    for one in walk_in("phone-4711"):
        gateway.mailbox.deliver([one])
    gateway.turn(0.0)
    text = msgspec.json.encode(gateway.status("online"))
    (subject,) = set(gateway.state.people.identities.values())
    for word in ("phone-4711", subject, "flat-white"):
        assert word.encode() not in text


def test_the_retained_status_does_not_depend_on_people(gateway: App) -> None:
    before = retained(gateway.status("online"))
    for one in [*walk_in("phone-4711"), message("till-cafe", "purchase", 1, amount_minor=450)]:
        gateway.mailbox.deliver([one])
    gateway.turn(0.0)
    after = gateway.status("online")
    assert (after.facts, after.triggers) == (2, 1)
    unsteady = {"at_ms", "uptime_s"}
    assert {name: value for name, value in msgspec.structs.asdict(retained(after)).items() if name not in unsteady} == {
        name: value for name, value in msgspec.structs.asdict(before).items() if name not in unsteady
    }


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.floats(min_value=0, max_value=1))
def test_a_percentile_is_one_of_the_values_and_covers_its_share(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert found is not None
    assert sum(value <= found for value in values) >= share * len(values)
    assert found == min(values) or sum(value < found for value in values) < share * len(values), "a smaller one would do"


def test_percentiles_of_few_values() -> None:
    assert percentile([], 0.5) is None
    assert percentile([7.0], 0.99) == 7.0
    assert percentile(range(1, 101), 0.99) == 99


def test_memory_is_a_number_of_this_machine() -> None:
    assert 1.0 < peak_memory_mib() < 1_000_000.0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux passes a peak on to a started process")
def test_memory_of_the_process_that_started_this_one_does_not_count() -> None:
    start = "import subprocess, sys; ballast = bytearray(200_000_000); ballast[::4096] = bytes(len(ballast[::4096]))"
    code = "from gateway.runtime.status import peak_memory_mib; print(peak_memory_mib())"
    run = f"{start}; subprocess.run([sys.executable, '-c', {code!r}], check=True)"
    found = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True)
    assert float(found.stdout) < 150.0
