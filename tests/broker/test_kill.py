"""The promise that matters most: power cuts at any moment, and every fact is stored once.

A real broker keeps what the gateway has not thanked for, `wayside run` is killed (SIGKILL) while tills sell, and started
again. In the end the store holds exactly the facts that the broker took from the tills.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.adapters.store import Store
from gateway.core.bus import Deliver, Publication
from gateway.core.types import Message
from gateway.decoders.registry import load
from gateway.runtime.app import App
from gateway.runtime.mailbox import Mailbox
from gateway.runtime.router import Router
from gateway.runtime.sources import source
from tests.kit.fake_bus import FakeBroker, FakeBus
from tests.kit.gateways import store_of
from tests.kit.testbed import KEY, ManualClock, TableScorer, make_site
from tests.kit.waiting import until
from tests.rigs.kill import run_with_kills


@pytest.mark.broker
def test_no_fact_is_lost_or_doubled_by_kills(tmp_path: Path) -> None:
    result = run_with_kills(tmp_path, facts=1_500, kills=3, rate=400, seed=1)
    assert (result.sent, result.stored, result.double, result.lost) == (1_500, 1_500, 0, 0)


@pytest.mark.broker
@pytest.mark.soak
def test_no_fact_is_lost_or_doubled_by_many_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run_with_kills(tmp_path, facts=10_000, kills=10, rate=900, seed=2)
    with capsys.disabled():
        sys.stdout.write(json.dumps(result._asdict()) + "\n")
    assert (result.sent, result.stored, result.double, result.lost) == (10_000, 10_000, 0, 0)


# --- the same promise in memory, and what it takes to break it -----------------------------------------------


class EagerBus(FakeBus):
    """Thanks for a message when it arrives: the mistake that this house is built against."""

    def start(self, deliver: Deliver) -> None:
        def thanked(messages: Sequence[Message]) -> bool:
            self.acknowledge(messages)
            return deliver(messages)

        super().start(thanked)


def _life(folder: Path, clock: ManualClock, bus: FakeBus) -> App:
    """A gateway that remembers what is in `folder`, and nothing else."""
    router = Router([source("wayside/v1/+/up/+/+", load("wayside_v1"))])
    store = Store(folder / "gateway.db", KEY)
    return App(make_site(), clock=clock, bus=bus, store=store, scorer=TableScorer(), router=router, mailbox=Mailbox(1_000))


@pytest.mark.parametrize(("kind", "stored"), [(FakeBus, 600), (EagerBus, 256)])
def test_thanks_before_the_commit_would_lose_facts(tmp_path: Path, kind: type[FakeBus], stored: int) -> None:
    """The negative control: with the wrong bus the same power cut loses what was in memory."""
    clock = ManualClock()
    broker = FakeBroker(clock.now_ms)
    first = _life(tmp_path, clock, kind(broker, topics=("wayside/#",)))
    first.bus.start(first.mailbox.deliver)
    until(lambda: first.bus.link().connected)
    for seq in range(600):
        fact = {"v": 1, "boot": "b", "seq": seq, "amount_minor": 450, "kind": "coffee_house"}
        broker.route(Publication("wayside/v1/street/up/till-cafe/purchase", json.dumps(fact).encode(), qos=1))
    until(lambda: len(first.mailbox) == 600)
    assert first.turn(0.0) == 256
    first.bus.close()  # the power is cut: of this life only the disk remains
    first.store.close()
    second = _life(tmp_path, clock, kind(broker, topics=("wayside/#",)))
    second.bus.start(second.mailbox.deliver)
    until(lambda: second.bus.link().connected)
    broker.route(Publication("wayside/v1/street/up/till-cafe/status", b'{"v":1,"boot":"b","seq":1}', qos=1))  # the last to come
    until(lambda: second.turn(0.01) or second.router.messages["wayside_v1"])
    until(lambda: not second.turn(0.1) and not len(second.mailbox))
    assert store_of(second).totals()["facts"] == stored
    second.bus.close()
    second.store.close()
