"""The closed loop: answers of phones to offers, with the open loop unchanged."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from firmware_sim.message import Message
from firmware_sim.scenario import Scenario
from firmware_sim.street.street import Street
from tests.sim.conftest import Minute

OFFERED_MS = 10_000


class Run:
    """A street to which offers are handed at chosen moments."""

    def __init__(self, plan: Scenario, seed: int = 1) -> None:
        self.said: Minute = []
        self.start_ms = plan.start_ms
        self.street = Street(plan, seed=seed, start_ms=plan.start_ms, publish=self._take)

    def _take(self, message: Message) -> None:
        self.said.append((self.street.loop.now_ms, message))

    def offer(self, at_ms: int, device: str, decision: str, shop: str = "cafe", *, expires_ms: int = 120_000) -> None:
        """Hand an offer to a phone at `at_ms` of published time."""
        self.street.run_until(at_ms)
        payload = {"v": 1, "decision": decision, "offer": "o", "zone": "plaza", "shop": shop, "title": "t", "body": ""}
        topic = f"wayside/v1/street/down/{device}/offer"
        self.street.receive(topic, json.dumps({**payload, "expires_at_ms": self.start_ms + expires_ms}).encode())

    def answers(self) -> list[tuple[int, str, str, str]]:
        """Each answer with its time, phone, decision and kind."""
        found = []
        for at_ms, message in self.said:
            if message.kind == "answer":
                fields = json.loads(message.payload)
                found.append((at_ms, message.topic.split("/")[4], str(fields["decision"]), str(fields["answer"])))
        return found


def phones(plan: Scenario) -> list[str]:
    """Phones with a consent that is not withdrawn within the minute."""
    street = Street(plan, seed=1, start_ms=0, publish=lambda _: None)
    return [f"phone-{w.number:04d}" for w in street.walkers if w.consents and w.withdraws_s is None]


@pytest.fixture(scope="module")
def answered(street_plan: Scenario) -> Run:
    """A run in which every such phone got one offer of the cafe at ten seconds."""
    run = Run(street_plan)
    for device in phones(street_plan):
        run.offer(OFFERED_MS, device, f"code-{device}")
    run.street.run_until(60_000)
    return run


def test_answers_come_in_order_and_in_time(answered: Run) -> None:
    by_decision: dict[str, list[tuple[int, str]]] = {}
    for at_ms, _, decision, answer in answered.answers():
        by_decision.setdefault(decision, []).append((at_ms, answer))
    assert len(by_decision) == len({device for _, device, _, _ in answered.answers()}) >= 60
    allowed = {
        ("shown",),
        ("shown", "dismissed"),
        ("shown", "opened", "dismissed"),
        ("shown", "opened", "accepted"),
        ("shown", "opened", "accepted", "redeemed"),
    }
    assert {tuple(answer for _, answer in story) for story in by_decision.values()} == allowed
    for story in by_decision.values():
        assert OFFERED_MS < story[0][0] <= OFFERED_MS + 250
        for at_ms, answer in story:
            if answer in {"accepted", "dismissed"}:
                assert 500 <= at_ms - story[0][0] <= 3000


def test_what_is_redeemed_was_sold_with_its_code(answered: Run) -> None:
    redeemed = {decision: at_ms for at_ms, _, decision, answer in answered.answers() if answer == "redeemed"}
    sold: dict[Any, tuple[int, str]] = {}
    for at_ms, message in answered.said:
        if message.kind == "purchase" and (code := json.loads(message.payload)["decision"]) is not None:
            sold[code] = (at_ms, message.topic)
    assert len(redeemed) >= 10
    assert redeemed.keys() <= sold.keys()
    for code, at_ms in redeemed.items():
        assert sold[code][1] == "wayside/v1/street/up/till-cafe/purchase"
        assert 200 <= at_ms - sold[code][0] <= 800
    assert any(m.kind == "purchase" and json.loads(m.payload)["decision"] is None for _, m in answered.said)


def test_offers_change_no_byte_of_the_open_loop(answered: Run, minute: Minute) -> None:
    caused = {json.loads(m.payload)["boot"] for _, m in answered.said if m.kind == "answer"}
    caused |= {f["boot"] for f in (json.loads(m.payload) for _, m in answered.said if m.kind == "purchase") if f["decision"] is not None}
    mark = [f'"boot":"{boot}"'.encode() for boot in caused]
    by_itself = [(at_ms, m) for at_ms, m in answered.said if not any(boot in m.payload for boot in mark)]
    assert len(answered.said) > len(by_itself)
    assert by_itself == minute


def test_the_nth_offer_of_a_phone_is_answered_the_same_whatever_others_get(street_plan: Scenario, answered: Run) -> None:
    device = phones(street_plan)[5]
    alone = Run(street_plan)
    alone.offer(OFFERED_MS, device, f"code-{device}")
    alone.street.run_until(60_000)
    assert alone.answers() == [answer for answer in answered.answers() if answer[1] == device]


def test_taste_decides(street_plan: Scenario, answered: Run) -> None:
    said_yes = {device for _, device, _, answer in answered.answers() if answer == "accepted"}
    tastes: dict[bool, list[float]] = {True: [], False: []}
    for walker in answered.street.walkers:
        device = f"phone-{walker.number:04d}"
        if device in phones(street_plan):
            tastes[device in said_yes].append(walker.tastes["coffee_house"])
    mean = {yes: sum(values) / len(values) for yes, values in tastes.items()}
    assert mean[True] > mean[False] + 0.3


def test_the_true_probability_is_met(street_plan: Scenario) -> None:
    street = Street(street_plan, seed=9, start_ms=0, publish=lambda _: None, walkers=2000)
    expected = variance = 0.0
    for walker in street.walkers:
        if walker.consents and walker.withdraws_s is None:
            p = walker.acceptance(street_plan.speed, "pub")
            expected, variance = expected + p, variance + p * (1 - p)
            payload = {"decision": f"d{walker.number}", "shop": "pub", "expires_at_ms": 10**6}
            street.run_until(1000)
            street.receive(f"wayside/v1/street/down/phone-{walker.number:04d}/offer", json.dumps(payload).encode())
    street.run_until(6000)
    assert abs(street.counters.answers["accepted"] - expected) < 4 * variance**0.5
    assert 0.2 < expected / 1600 < 0.6


def test_every_other_fate_of_an_offer_is_counted_and_unanswered(street_plan: Scenario) -> None:
    run = Run(street_plan)
    withdrawn = next(w for w in run.street.walkers if w.withdraws_s is not None)
    run.offer(5_000, "phone-0001", "a")
    run.offer(5_000, "phone-0001", "a")
    run.offer(5_000, "phone-0002", "b", expires_ms=5_000)
    run.offer(5_000, "phone-9999", "c")
    run.street.receive("wayside/v1/street/down/phone-0003/offer", b'{"decision": ')
    run.offer(50_000, f"phone-{withdrawn.number:04d}", "d")
    run.street.run_until(60_000)
    assert run.street.counters.offers == Counter(received=1, repeated=1, expired=1, astray=1, unreadable=1, after_withdrawal=1)
    assert {decision for _, _, decision, _ in run.answers()} == {"a"}


def test_an_offer_of_no_shop_is_never_accepted(street_plan: Scenario) -> None:
    run = Run(street_plan)
    for device in phones(street_plan):
        run.offer(OFFERED_MS, device, f"x-{device}", shop="plaza")
    run.street.run_until(20_000)
    assert {answer for *_, answer in run.answers()} <= {"shown", "opened", "dismissed"}
    assert run.street.counters.answers["shown"] >= 60
