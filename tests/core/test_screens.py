"""Screens: a group of at least five, no offer for one recognisable person, the house programme otherwise, and proof of play."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from gateway.core.discards import Discard
from gateway.core.opening_hours import parse
from gateway.core.screens import ITEMS_MAX, clear_of_single_people
from gateway.core.site import ScreenTerms, Zone
from gateway.core.state import Changes
from gateway.core.state.screens import Programme
from gateway.core.types import Envelope, Incident, Played, ProofOfPlay, TimePassed
from tests.kit.testbed import NOON_MS, ZONES, Gateway, Phone, TableScorer, campaign, make_site, offer

SCREEN = "screen-cafe"
BAR, COFFEE = "bar", "coffee_house"


def shown_offers() -> tuple[Any, ...]:
    return tuple(
        offer(id_, category=category, shop=shop, value_minor=value, channel="screen", zones=("cafe",))
        for id_, category, shop, value in (
            ("espresso", COFFEE, "cafe", 300),
            ("pint", BAR, "bar", 400),
            ("soup", "restaurant_cheap", "square", 350),
            ("paper", "carry_away", "station", 100),
            ("cake", COFFEE, "cafe", 200),
        )
    )


def screened(folder: Path, scores: Mapping[str, float] | float | None = 0.5, offers: Any = None, **site: Any) -> Gateway:
    """A cafe with a screen; a desk may declare incidents."""
    devices = {"till-cafe": "cafe", SCREEN: "cafe", "screen-bar": "bar", "desk": "*"}
    made = make_site(campaign=campaign(*(offers or shown_offers())), screens={SCREEN: "cafe"}, devices=devices, **site)
    return Gateway(folder, site=made, scorer=TableScorer(scores), synced=False)


def gather(gateway: Gateway, count: int, purposes: Any = None) -> list[Phone]:
    """So many people enter the cafe."""
    phones = [Phone(f"phone-{number:04}") for number in range(count)]
    for phone in phones:
        gateway.apply(phone.consent(purposes) if purposes else phone.consent())
        gateway.apply(phone.near("scan-cafe"), phone.near("scan-cafe"))
    return phones


def planned(gateway: Gateway, after_ms: int = 60_000) -> tuple[Programme, Changes]:
    """The next programme of the screen."""
    gateway.clock.advance(after_ms)
    changes = gateway.apply(TimePassed())
    return changes.screens.programmes[SCREEN], changes


def offers_of(programme: Programme) -> list[str]:
    return [slot.offer for slot in programme.slots]


@pytest.mark.parametrize(("people", "basis"), [(0, "house"), (1, "house"), (4, "house"), (5, "group"), (9, "group")])
def test_a_programme_is_chosen_for_five_people_at_least(tmp_path: Path, people: int, basis: str) -> None:
    gateway = screened(tmp_path)
    gather(gateway, people)
    programme, _ = planned(gateway, 1_000)
    assert {slot.basis for slot in programme.slots} == {basis}
    assert offers_of(programme) == (["espresso", "pint", "soup"]), "by value for the group; the first ones of the house"
    assert programme.until_ms == gateway.clock.now_ms() + 60_000
    gateway.close()


def test_scores_of_the_group_decide(tmp_path: Path) -> None:
    gateway = screened(tmp_path, {BAR: 0.01, COFFEE: 0.6, "restaurant_cheap": 0.02, "carry_away": 0.9})
    gather(gateway, 6)
    assert offers_of(planned(gateway, 1_000)[0]) == ["espresso", "paper", "cake"]
    gateway.close()


@pytest.mark.parametrize("purposes", [("presence",), ("presence", "learning", "measurement")])
def test_people_without_consent_to_offers_are_no_group(tmp_path: Path, purposes: Any) -> None:
    gateway = screened(tmp_path)
    gather(gateway, 9, purposes)
    assert {slot.basis for slot in planned(gateway, 1_000)[0].slots} == {"house"}
    gateway.close()


def test_no_offer_depends_on_one_person() -> None:
    """Random groups: an offer that is shown is among the best without any single person; one person with a huge value shows nothing."""
    draws = np.random.default_rng(3)
    shown = 0
    for _ in range(300):
        people, offers = int(draws.integers(5, 12)), int(draws.integers(1, 9))
        values, categories = draws.gamma(0.3, 100.0, (people, offers)), draws.integers(0, 3, offers)
        found = clear_of_single_people(values, categories)
        shown += len(found)
        assert len(found) <= ITEMS_MAX
        for one in range(people):
            without = np.delete(values, one, axis=0)
            assert set(found) <= set(_plain(without.sum(axis=0), categories))
    assert shown > 300, "hardly an offer was shown, so nothing was tested"
    alone = np.zeros((6, 4))
    alone[2, 3] = 1e9
    assert clear_of_single_people(alone, np.arange(4)) == []


def _plain(total: Any, categories: Any) -> list[int]:
    """The best columns by the plainest rule: each next one has the largest total over one more than its category's number so far."""
    chosen: list[int] = []
    for _ in range(ITEMS_MAX):
        rest = [at for at in range(len(total)) if at not in chosen]
        if not rest:
            break
        worth = {at: total[at] / (1 + sum(categories[one] == categories[at] for one in chosen)) for at in rest}
        at = max(rest, key=lambda one: (worth[one], -one))
        if worth[at] <= 0:
            break
        chosen.append(at)
    return chosen


def test_the_house_programme_rotates_through_all_and_depends_on_nobody(tmp_path: Path) -> None:
    gateway = screened(tmp_path)
    seen = [offers_of(planned(gateway)[0]) for _ in range(5)]
    assert set(itertools.chain(*seen)) == {one.id for one in shown_offers()}
    assert {len(one) for one in seen} == {ITEMS_MAX}
    (tmp_path / "other").mkdir()
    other = screened(tmp_path / "other")
    gather(other, 4)
    assert [offers_of(planned(other)[0]) for _ in range(5)] == seen
    gateway.close()
    other.close()


def test_the_same_programme_again_writes_nothing(tmp_path: Path) -> None:
    gateway = screened(tmp_path, offers=shown_offers()[:2])
    first, changes = planned(gateway)
    assert changes.is_durable
    again, changes = planned(gateway)
    assert [slot.id for slot in again.slots] == [slot.id for slot in first.slots]
    assert not changes.screens.slots
    assert again.until_ms == first.until_ms + 60_000
    assert len(gateway.rows("slots")) == 2
    gateway.close()


def test_gates_of_place_and_time_hold_and_rules_on_a_person_hold_for_nobody(tmp_path: Path) -> None:
    late = offer("late", channel="screen", zones=("cafe",), starts_ms=NOON_MS + 86_400_000)
    elsewhere = offer("elsewhere", channel="screen", zones=("bar",))
    shut = offer("shut", channel="screen", zones=("cafe",), shop="bar")
    pushed = offer("pushed", zones=("cafe",))
    plain = offer("plain", channel="screen", zones=("cafe",))
    cafes = {zone.id: zone for zone in ZONES}
    closed = {**cafes, "bar": _with_hours(cafes["bar"], "Mo-Su 18:00-24:00")}
    gateway = screened(tmp_path, offers=(late, elsewhere, shut, pushed, plain), zones=closed)
    assert offers_of(planned(gateway, 1_000)[0]) == ["plain"]
    gateway.apply(Incident(Envelope("desk", "d", 1), "cafe", 30))
    assert offers_of(planned(gateway)[0]) == []
    gateway.close()


def _with_hours(zone: Zone, hours: str) -> Zone:
    return msgspec.structs.replace(zone, opening_hours=parse(hours))


def test_a_person_gets_no_offer_of_a_screen(tmp_path: Path) -> None:
    gateway = screened(tmp_path)
    phone = Phone()
    gateway.apply(phone.consent())
    (decision,) = gateway.apply(phone.near("scan-cafe"), phone.near("scan-cafe")).decisions.made
    assert (decision.offer, {one.reason for one in decision.candidates}) == (None, {"not_here"})
    gateway.close()


def test_a_screen_is_no_contact_and_names_nobody(tmp_path: Path) -> None:
    gateway = screened(tmp_path)
    gather(gateway, 9)
    _, changes = planned(gateway, 1_000)
    assert not changes.people.contexts
    assert not changes.outcomes.windows
    subjects = {row[0] for row in gateway.rows("contexts")}
    assert len(subjects) == 9
    assert not subjects & {str(cell) for row in gateway.rows("slots") for cell in row}
    gateway.close()


def test_without_screens_or_their_offers_nothing_is_due(tmp_path: Path) -> None:
    gateway = screened(tmp_path, offers=(offer(),))
    gateway.clock.advance(60_000)
    assert not gateway.apply(TimePassed()).screens.programmes
    gateway.close()


def test_proof_of_play_counts_once_and_not_for_longer_than_the_slot_exists(tmp_path: Path) -> None:
    gateway = screened(tmp_path)
    programme, _ = planned(gateway)
    slot = programme.slots[0]
    gateway.clock.advance(60_000)
    played = ProofOfPlay(Envelope(SCREEN, "b", 1), (Played(slot.id, 3, 24.0), Played(programme.slots[1].id, 2, 1e5)))
    assert gateway.apply(played, played).discarded == {Discard.REPEATED: 1}
    gateway.restart()
    assert gateway.apply(played).discarded == {Discard.REPEATED: 1}
    counts = {row[3]: row[-2:] for row in gateway.rows("slots")}
    assert counts[slot.offer] == (3, 24.0)
    assert counts[programme.slots[1].offer] == (2, 60.0)
    gateway.close()


@pytest.mark.parametrize(
    ("device", "known", "reason"),
    [("screen-bar", True, Discard.NOT_THEIRS), (SCREEN, False, Discard.UNKNOWN_DECISION)],
)
def test_a_proof_of_another_screen_or_slot_is_refused(tmp_path: Path, device: str, reason: Discard, *, known: bool) -> None:
    gateway = screened(tmp_path)
    programme, _ = planned(gateway)
    slot = programme.slots[0].id if known else "gw-t.0000000000000000"
    assert gateway.apply(ProofOfPlay(Envelope(device, "b", 1), (Played(slot, 1, 8.0),))).discarded == {reason: 1}
    gateway.close()


def test_a_clock_that_is_set_neither_repeats_nor_skips_a_programme(tmp_path: Path) -> None:
    gateway = screened(tmp_path, screen_terms=ScreenTerms(5, 60))
    programme, _ = planned(gateway)
    gateway.clock.step(3_600_000)
    gateway.state.rebase(3_600_000)
    assert not gateway.apply(TimePassed()).screens.programmes
    assert gateway.state.screens.programmes[SCREEN].until_ms == programme.until_ms + 3_600_000
    gateway.close()


def test_a_wording_stands_for_as_long_as_it_takes_to_read_it_twice(tmp_path: Path) -> None:
    long = offer("long", channel="screen", zones=("cafe",), title="one two three four five", body=" ".join(["word"] * 19))
    gateway = screened(tmp_path, offers=(long, offer("short", channel="screen", zones=("cafe",), title="tea")))
    assert {slot.offer: slot.seconds for slot in planned(gateway)[0].slots} == {"long": 12, "short": 8}
    gateway.close()


def test_groups_of_random_sizes_never_show_a_group_offer_below_the_least_number(tmp_path: Path) -> None:
    draws = random.Random(5)  # noqa: S311 - a seeded test
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        least = draws.randrange(3, 9)
        gateway = screened(folder, screen_terms=ScreenTerms(least, 60))
        gather(gateway, least - 1)
        assert {slot.basis for slot in planned(gateway, 1_000)[0].slots} == {"house"}
        gateway.close()
