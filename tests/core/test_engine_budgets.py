"""Budgets through the engine: each proposal reserves, an answer spends or releases, and a crash at any commit overspends nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.core.types import AnswerKind, TimePassed
from tests.kit.testbed import HOUR_MS, Gateway, Phone, campaign, make_site, offer

BUDGETED = offer(budget_minor=500, cost_minor=100, expiry_hours=2.0, per_person_day_max=60)
POLICY = {"quiet_from": 0, "quiet_until": 0, "gap_s_min": 0, "per_person_day_max": 60}


def proposed(gateway: Gateway, number: int) -> tuple[Phone, str | None]:
    """A new person enters the cafe: the decision that proposed an offer, or None."""
    phone = Phone(f"phone-{number:04}")
    gateway.apply(phone.consent(), phone.near("scan-cafe"))
    gateway.clock.advance(1_000)
    triggers = gateway.apply(phone.near("scan-cafe")).decisions.triggers
    return phone, triggers[0].id if triggers else None


@pytest.fixture
def shop(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path, site=make_site(campaign=campaign(BUDGETED, **POLICY)), synced=False)


def used(gateway: Gateway) -> tuple[int, int]:
    """Spent, and spent or reserved."""
    budgets = gateway.state.budgets
    return budgets.spent["flat-white"], budgets.used("flat-white")


def test_a_sixth_proposal_waits_until_one_is_released(shop: Gateway) -> None:
    people = [proposed(shop, number) for number in range(5)]
    assert all(decision for _, decision in people)
    assert used(shop) == (0, 500)
    assert proposed(shop, 5)[1] is None
    first, second, third = people[:3]
    shop.apply(first[0].answer(first[1] or "", "accepted"))
    shop.apply(second[0].answer(second[1] or "", "shown"))
    assert used(shop) == (100, 500)
    assert proposed(shop, 6)[1] is None
    shop.apply(third[0].answer(third[1] or "", "dismissed"))
    assert used(shop) == (100, 400)
    assert proposed(shop, 7)[1] is not None


def test_the_end_of_the_validity_releases_and_a_late_answer_spends_nothing(shop: Gateway) -> None:
    phone, decision = proposed(shop, 0)
    shop.clock.advance(2 * HOUR_MS - 1)
    shop.apply(TimePassed())
    assert used(shop) == (0, 100)
    shop.clock.advance(1)
    shop.apply(TimePassed())
    assert used(shop) == (0, 0)
    shop.apply(phone.answer(decision or "", "redeemed"))
    assert used(shop) == (0, 0)


def test_a_withdrawal_keeps_the_reservation_until_its_end(shop: Gateway) -> None:
    phone, _ = proposed(shop, 0)
    shop.apply(phone.withdrawal())
    assert used(shop) == (0, 100)
    assert not any(phone.device in str(row) for table in shop.tables() for row in shop.rows(table))


def test_two_hundred_crashes_overspend_nothing(shop: Gateway) -> None:
    """Proposals and answers in random order; after each step the memory is lost, with the changes of the batch or after them."""
    draws = random.Random(11)  # noqa: S311 - a seeded test
    asked: list[tuple[Phone, str]] = []
    accepted: set[str] = set()
    answers: tuple[AnswerKind, ...] = ("shown", "accepted", "dismissed", "redeemed")
    for number in range(200):
        if asked and draws.random() < 0.4:
            phone, decision = draws.choice(asked)
            changes = shop.advance(phone.answer(decision, draws.choice(answers)))
        else:
            phone, decision_id = proposed(shop, number)
            asked += [(phone, decision_id)] if decision_id else []
            changes = shop.advance(TimePassed())
        if draws.random() < 0.5:
            shop.commit(changes)
            accepted |= {id_ for id_, is_spent in changes.budgets.ended.items() if is_spent}
        shop.clock.advance(draws.choice((1_000, 30 * 60_000)))
        shop.crash()
        spent, all_used = used(shop)
        assert spent == 100 * len(accepted)
        assert all_used <= 500
        assert len(shop.rows("reservations")) == (all_used - spent) // 100
    assert used(shop)[0] >= 300, "hardly anything was spent, so nothing was tested"
