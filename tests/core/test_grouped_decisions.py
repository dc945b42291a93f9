"""Each mined thing changes a decision, and the same decision without it, or for another person, is different."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gateway.core.attributes.aggregators import Grouped, State
from gateway.core.attributes.grouping import Mined
from gateway.core.attributes.groups import Critical, Groups
from tests.kit.groups import (
    ALL,
    COLUMNS,
    FACTS,
    KEPT,
    MINED,
    PATTERNS,
    ColumnScorer,
    ConstantScorer,
    bought,
    decided,
    person,
    row,
    site,
    visited,
    with_facts,
)
from tests.kit.testbed import DAY_MS, HOUR_MS, NOON_MS, Gateway, Phone

LIKELY = 0.4  # a threshold of the policy between 0.2 and what a column adds


def chosen(name: str, column: str, highest: float = 1.0, now_ms: int = NOON_MS) -> str | None:
    """The offer for a person by a model that reads one column."""
    return decided(person(name), ColumnScorer(column, highest), now_ms=now_ms, propensity_min=LIKELY).offer


def without(**changes: object) -> Mined:
    """The groups with some fields replaced."""
    return Mined(msgspec.structs.replace(MINED.groups, **changes), PATTERNS)


# --- attributes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "highest", "yes", "no"),
    [
        ("segment_loyal", 1.0, "loyal", "rare"),
        ("segment_rare", 1.0, "rare", "loyal"),
        ("walker", 1.0, "walker", "stroller"),
        ("value", 1_000.0, "loyal", "rare"),
        ("value_low", 200.0, "loyal", "rare"),
        ("habit", 1.0, "sure", "loyal"),
        ("together", 1.0, "loyal", "new"),
        ("similar", 1.0, "loyal", "rare"),
    ],
)
def test_a_mined_attribute_changes_the_decision(column: str, highest: float, yes: str, no: str) -> None:
    assert chosen(yes, column, highest) is not None
    assert chosen(no, column, highest) is None


def test_a_pattern_that_holds_chooses_its_own_category() -> None:
    """Tea -> cake: with tea bought the cake is proposed; without any purchase no pattern holds and the first offer is."""
    scorer = ColumnScorer("gain")
    assert decided(person("rare"), scorer).offer == "cake"
    assert decided(person("new"), scorer).offer == "tea"
    unmined = site(Mined(MINED.groups))
    assert decided(person("rare", unmined), scorer, unmined).offer == "tea", "without the pattern"


def test_without_definitions_a_derived_attribute_is_unknown() -> None:
    bare = site(Mined(Groups(1)))
    values = row(person("loyal", bare), bare)
    assert all(np.isnan(values[name]) for name in COLUMNS if name not in {"gain", "offer_tea", "offer_cake", "cakes_seen"})


def test_values_are_those_of_the_definitions() -> None:
    values = row(person("loyal"))
    assert (values["segment_loyal"], values["segment_rare"], values["value"], values["value_low"]) == (1.0, 0.0, 800.0, 200.0)
    assert (row(person("walker"))["walker"], row(person("stroller"))["walker"]) == (1.0, 0.0)
    assert row(person("loyal"), offer_at=0)["together"] == pytest.approx(0.4 * 3 * 0.5 ** (9 / 30), rel=1e-6), "cake for tea"
    assert row(person("loyal"), offer_at=1)["together"] == pytest.approx(0.4 * 3 * 0.5 ** (14 / 30), rel=1e-6), "tea for cake"


def test_without_the_purpose_nothing_is_folded_or_derived() -> None:
    subject = person("loyal", purposes=("presence",))
    assert subject.history == {}
    values = row(subject)
    unmined = {"offer_tea", "offer_cake"}
    assert all(np.isnan(value) or (name == "gain" and value == 0.0) for name, value in values.items() if name not in unmined)


# --- policy: discounts -----------------------------------------------------------------------------------


def reasons(name: str, discount: float | None, mined: Mined = MINED) -> set[str]:
    where = site(mined, discount=discount)
    return {candidate.reason for candidate in decided(person(name, where), ConstantScorer(), where).candidates}


def test_a_sure_thing_gets_no_discount() -> None:
    no_segments = without(segmentations=())
    assert reasons("sure", 0.2, no_segments) == {"sure_thing"}
    assert reasons("sure", None, no_segments) == {"chosen", "lower_rank"}, "an offer without a discount suits everyone"
    assert reasons("sure", 0.0, no_segments) == {"chosen", "lower_rank"}
    assert reasons("rare", 0.2, no_segments) == {"chosen", "lower_rank"}, "one critical value of at most one half"
    assert reasons("sure", 0.2, without(segmentations=(), sure_thing=())) == {"chosen", "lower_rank"}
    assert reasons("new", 0.2, no_segments) == {"chosen", "lower_rank"}, "what is unknown makes nobody sure"


@pytest.mark.parametrize(("chances", "sure"), [((0.51, 0.9), True), ((0.5, 0.9), False), ((0.9, 0.2), False)])
def test_all_critical_values_must_be_above_one_half(chances: tuple[float, float], *, sure: bool) -> None:
    mined = without(segmentations=(), sure_thing=(Critical("value", (), (chances[0],)), Critical("habit", (), (chances[1],))))
    assert (reasons("sure", 0.2, mined) == {"sure_thing"}) is sure


def test_a_segment_without_discounts_is_not_pushed() -> None:
    no_sure = without(sure_thing=())
    assert reasons("loyal", 0.2, no_sure) == {"segment_no_discounts"}
    assert reasons("loyal", None, no_sure) == {"chosen", "lower_rank"}
    assert reasons("rare", 0.2, no_sure) == {"chosen", "lower_rank"}


def test_a_withheld_discount_leaves_room_for_an_offer_without() -> None:
    where = site()
    first, second = where.campaign.offers
    mixed = msgspec.structs.replace(where.campaign, offers=(msgspec.structs.replace(first, discount=0.5, value_minor=9_000), second))
    where = msgspec.structs.replace(where, campaign=mixed)
    made = decided(person("loyal", where), ConstantScorer(), where)
    assert (made.offer, made.candidates[1].reason) == ("cake", "segment_no_discounts")
    assert decided(person("rare", where), ConstantScorer(), where).offer == "tea"


# --- variety: which attributes are kept ------------------------------------------------------------------

CONTACT = msgspec.structs.replace(bought("cake", NOON_MS)[0], of="contacts")


def kept(facts: str, purposes: tuple[str, ...] = ALL) -> set[str]:
    """Names of the attributes with a state after a contact at noon."""
    found = with_facts([*FACTS[facts], CONTACT], purposes=purposes).history  # type: ignore[arg-type]
    return {key.partition(":")[0] for key in found} - {"groups"}


def test_the_tier_decides_which_attributes_are_kept() -> None:
    """`cakes_seen` needs tier 3, a value above 1,500: that of the frequent buyer of today."""
    assert "cakes_seen" in kept("sure")
    assert "cakes_seen" not in kept("loyal"), "a value of 800 is tier 2"
    assert kept("loyal") >= {"buys", "since", "tea", "cake"}


def test_the_top_value_without_the_purpose_is_tier_0() -> None:
    assert "cakes_seen" not in kept("sure", ("presence", "offers"))
    assert row(person("sure", purposes=("presence", "offers")))["value"] == 2_000.0
    assert np.isnan(row(person("sure", purposes=("presence", "offers")))["cakes_seen"])


def test_a_tier_that_falls_takes_the_state_away() -> None:
    of = site()
    plan = of.plan.history
    history = with_facts([*FACTS["sure"], CONTACT], of).history
    assert any(key.startswith("cakes_seen") for key in history)
    later_ms = NOON_MS + 100 * DAY_MS
    after = plan.fold(history, ALL, visited("hall", later_ms), later_ms)
    assert not any(key.startswith("cakes_seen") for key in after), "nothing bought for 100 days"


# --- velocity: when groups are worked out anew -----------------------------------------------------------


def due(history: Mapping[str, State]) -> Grouped:
    """The groups that are kept of a person."""
    found = next(state for key, state in history.items() if key.startswith("groups:"))
    assert isinstance(found, Grouped)
    return found


@pytest.mark.parametrize(("tea", "cake", "hours"), [(0, 0, 1), (1, 0, 169), (1, 1, 85), (3, 1, 127)])
def test_a_strong_association_is_refreshed_later(tea: int, cake: int, hours: int) -> None:
    """1 h + 168 h x strength; an unknown strength counts as 0. The groups are worked out from the whole history at a consent."""
    plan = site(KEPT).plan.history
    bare = with_facts([*bought("tea", NOON_MS, tea), *bought("cake", NOON_MS, cake)])
    grouped = due(plan.renewed(bare.history, ALL, {}, NOON_MS))
    assert grouped.due_ms - grouped.at_ms == hours * HOUR_MS


def test_kept_groups_hold_until_they_are_due() -> None:
    of = site(KEPT)
    plan = of.plan.history
    rare = with_facts(FACTS["rare"], of)
    due_ms = due(rare.history).due_ms
    assert due_ms == NOON_MS - 20 * DAY_MS + 169 * HOUR_MS, "tea only: strength 1"
    soon_ms, history = due_ms - 2, rare.history
    for fact in bought("cake", soon_ms, 12):
        history = plan.fold(history, ALL, fact, soon_ms)
    subject = msgspec.structs.replace(rare, history=history)
    assert row(subject, of, due_ms - 1)["segment_loyal"] == row(rare, of, due_ms - 1)["segment_loyal"]
    assert row(subject, of, due_ms)["segment_loyal"] == 1.0
    assert row(subject, site(), due_ms - 1)["segment_loyal"] == 1.0, "without velocity at once"


# --- migration -------------------------------------------------------------------------------------------


def test_a_person_migrates_between_segments() -> None:
    """Rare, then loyal by purchases, then rare again by staying away; each at the first decision after the groups are due."""
    of = site()
    plan = of.plan.history
    subject = with_facts(FACTS["rare"], of)
    assert row(subject, of)["segment_rare"] == 1.0
    history = subject.history
    for fact in bought("tea", NOON_MS, 8):
        history = plan.fold(history, ALL, fact, NOON_MS)
    loyal = msgspec.structs.replace(subject, history=history)
    assert row(loyal, of)["segment_loyal"] == 1.0
    assert row(loyal, of, NOON_MS + 100 * DAY_MS)["segment_rare"] == 1.0
    scorer = ColumnScorer("segment_loyal")
    assert decided(subject, scorer, of, propensity_min=LIKELY).offer is None
    assert decided(loyal, scorer, of, propensity_min=LIKELY).offer == "tea"
    assert decided(loyal, scorer, of, now_ms=NOON_MS + 100 * DAY_MS, propensity_min=LIKELY).offer is None


# --- cohorts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "member"),
    [
        ([("shop", 0.0), ("hall", 1.0)], True),
        ([("shop", 0.0), ("shop", 1.0), ("hall", 2.0)], True),
        ([("hall", 0.0), ("shop", 1.0)], False),
        ([("shop", 0.0), ("hall", 4.1)], False),
        ([("shop", 0.0), ("shop", 3.0), ("hall", 6.0)], True),
        ([("hall", 0.0), ("shop", 1.0), ("hall", 2.0)], True),
    ],
    ids=["in order", "a stay is one step", "out of order", "two walks", "one long walk", "with another step before"],
)
def test_a_journey_is_completed_within_one_walk(steps: list[tuple[str, float]], *, member: bool) -> None:
    start_ms = NOON_MS - 10 * HOUR_MS
    subject = with_facts([visited(kind, start_ms + round(hours * HOUR_MS)) for kind, hours in steps])
    assert row(subject)["walker"] == float(member)


def test_a_journey_ends_with_its_days() -> None:
    subject = person("walker")
    assert row(subject, now_ms=NOON_MS + 27 * DAY_MS)["walker"] == 1.0
    assert row(subject, now_ms=NOON_MS + 28 * DAY_MS)["walker"] == 0.0


def test_a_visit_that_arrives_late_changes_nothing() -> None:
    of = site()
    subject = person("walker", of)
    late = of.plan.history.fold(subject.history, ALL, visited("shop", NOON_MS - 5 * HOUR_MS), NOON_MS)
    assert {key: state for key, state in late.items() if key.startswith("walker")} == {
        key: state for key, state in subject.history.items() if key.startswith("walker")
    }


# --- the whole engine ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("walk", "offer"), [(("scan-shop", "scan-hall", "scan-shop"), "tea"), (("scan-hall", "scan-shop", "scan-shop"), None)]
)
def test_a_walk_through_the_engine_makes_a_member_and_an_offer(tmp_path: Path, walk: tuple[str, ...], offer: str | None) -> None:
    """From the shop to the hall, dwelling in both: at the next visit the model that reads the cohort proposes."""
    plain = site()
    policy = msgspec.structs.replace(plain.campaign.policy, propensity_min=LIKELY)
    of = msgspec.structs.replace(plain, campaign=msgspec.structs.replace(plain.campaign, policy=policy))
    gateway = Gateway(tmp_path, site=of, scorer=ColumnScorer("walker"), synced=False)
    phone = Phone()
    gateway.apply(phone.consent(ALL))
    decided_last = None
    for anchor in walk:
        for _ in range(8):
            for decision in gateway.apply(phone.near(anchor)).decisions.made:  # on entering; the offers are for no other occasion
                decided_last = decision.offer
            gateway.pass_time(15_000)
        gateway.pass_time(10 * 60_000)
    gateway.close()
    assert decided_last == offer
