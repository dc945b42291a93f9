"""Screens: offers for the people present as a group, in turn, with proof of play.

A programme is chosen for at least `people_min` people with consent to offers in the zone of the screen: the offers with the highest
sum of score x value over all of these, of several categories. An offer is shown only if it is among the best without any single person
as well, so no screen shows an offer for one recognisable person; the order is the campaign's. With fewer people, or if no
offer passes, the house programme is shown, which does not depend on people. Rules on the person never hold here.

An offer on a screen is no contact of a person: neither caps nor holdout apply, and nothing is learned from it.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from gateway.core import context as contexts
from gateway.core import incidents
from gateway.core.channels import wording
from gateway.core.context import SubjectContext
from gateway.core.creatives import choose_creative, glance_s
from gateway.core.discards import Discard
from gateway.core.policy.gates import GATES, OfferGate
from gateway.core.policy.prepared import DecisionRequest, Prepared
from gateway.core.state import FactRow
from gateway.core.state.screens import Basis, Programme, Slot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.core.offers import Offer
    from gateway.core.policy.choose import Scorer
    from gateway.core.policy.prepared import Positions
    from gateway.core.site import Site
    from gateway.core.state import State
    from gateway.core.types import ProofOfPlay
    from gateway.core.unit_of_work import UnitOfWork

ITEMS_MAX = 3  # of one programme
OFFERS_MAX = 64  # that are compared for a group
PEOPLE_MAX = 64  # of a group
SECONDS_MIN = 8
GLANCES = 2  # a wording stands for as long as it takes to read it twice
ANYONE = SubjectContext("", "", (), "", 0)
_GATED = frozenset({"incident", "not_live", "missing", "not_eligible", "not_applicable", "closed", "not_suitable"})
_GATES = tuple(gate for gate in GATES if isinstance(gate, OfferGate) and gate.reason in _GATED)


def due_ms(site: Site, state: State) -> int | None:
    """When the next programme is to be planned; None without screens or offers for screens."""
    if not site.screens or not site.campaign.table.is_screen.any():
        return None
    programmes = state.screens.programmes
    return min(programmes[one].until_ms if one in programmes else site.clock_floor_ms for one in site.screens)


def plan(work: UnitOfWork, scorer: Scorer) -> None:
    """Plan the programmes that are due."""
    due = due_ms(work.site, work.state)
    if due is None or due > work.now_ms or work.now_ms < work.site.clock_floor_ms:
        return
    for screen, zone in work.site.screens.items():
        before = work.state.screens.programmes.get(screen)
        if before is None or before.until_ms <= work.now_ms:
            work.out.screens.programmes[screen] = _programme(work, scorer, screen, zone, before)


def fold_played(work: UnitOfWork, played: ProofOfPlay) -> FactRow | Discard:
    """Count the proof of play of a screen; a slot cannot have been shown for longer than it exists."""
    screen = played.envelope.device
    known = [(slot, one) for one in played.slots if (slot := work.repository.slot(one.slot)) is not None]
    if not known:
        return Discard.UNKNOWN_DECISION
    if any(slot.screen != screen for slot, _ in known):
        return Discard.NOT_THEIRS
    for slot, one in known:
        longest_s = max(0, work.now_ms - slot.at_ms) / 1000
        plays, seconds = work.out.screens.played.get(slot.id, (0, 0.0))
        work.out.screens.played[slot.id] = plays + one.plays, seconds + min(one.seconds, longest_s)
        work.out.totals["screen_plays"] += one.plays
    return FactRow(played.envelope, "played", work.now_ms, zone=work.site.devices.get(screen))


def _programme(work: UnitOfWork, scorer: Scorer, screen: str, zone: str, before: Programme | None) -> Programme:
    turn = 0 if before is None else before.turn + 1
    positions = _open(work, zone)
    chosen, basis = _for_group(work, scorer, zone, positions), "group"
    if not chosen:
        chosen, basis = _house(positions.tolist(), turn), "house"
    offers = [work.site.campaign.offers[at] for at in chosen]
    until_ms = work.now_ms + work.site.screen_terms.programme_s * 1000
    if before is not None and [(one.offer, one.basis) for one in before.slots] == [(offer.id, basis) for offer in offers]:
        return msgspec.structs.replace(before, until_ms=until_ms, turn=turn)
    slots = tuple(_slot(work, screen, zone, offer, basis) for offer in offers)  # type: ignore[arg-type]  # a literal
    work.out.screens.slots += slots
    work.out.totals[f"screen_{basis}"] += 1
    return Programme(slots, until_ms, turn)


def _slot(work: UnitOfWork, screen: str, zone: str, offer: Offer, basis: Basis) -> Slot:
    shown = wording(offer, choose_creative(offer.creatives, "screen", None))
    seconds = max(SECONDS_MIN, ceil(GLANCES * glance_s(shown.title, shown.body)))
    return Slot(f"{work.site.gateway}.{work.draw()}", screen, zone, offer.id, work.now_ms, basis, seconds)


def _request(work: UnitOfWork, person: SubjectContext, zone: str) -> DecisionRequest:
    return DecisionRequest(person, zone, "scheduled", work.now_ms, work.site, is_silent=incidents.is_silent(work, zone))


def _open(work: UnitOfWork, zone: str) -> Positions:
    """The offers for screens that every gate which does not depend on a person leaves open in a zone."""
    table = work.site.campaign.table
    placed = [at for at in np.flatnonzero(table.is_screen).tolist() if zone in table.zones[at]]
    positions = np.array(placed[:OFFERS_MAX], dtype=np.intp)
    prepared = Prepared(_request(work, ANYONE, zone), work.here(zone))
    for gate in _GATES:
        if len(positions):
            positions = positions[~gate.closes(prepared, positions)]
    return positions


def _house(positions: list[int], turn: int) -> list[int]:
    """The next offers of the rotation through all."""
    count = min(ITEMS_MAX, len(positions))
    return sorted(positions[(turn * count + at) % len(positions)] for at in range(count))


def _for_group(work: UnitOfWork, scorer: Scorer, zone: str, positions: Positions) -> list[int]:
    """The offers for the people present; empty if these are too few, without a model, and if no offer is clear of single people."""
    people = [person for subject in work.present(zone) if (person := work.context(subject)) is not None]
    people = [person for person in people if contexts.allows(person, "offers", work.now_ms)][:PEOPLE_MAX]
    if len(people) < work.site.screen_terms.people_min or not len(positions):
        return []
    here, plan_ = work.here(zone), work.site.plan
    rows = []
    for person in people:
        prepared = Prepared(_request(work, person, zone), here)
        scores = scorer.score(plan_.matrix(prepared.reading, positions, prepared.numbers))
        if scores is None:
            return []
        rows.append(np.asarray(scores, dtype=np.float64) * work.site.campaign.table.value_minor[positions])
    categories = work.site.campaign.table.groups["category"][positions]
    return [int(positions[at]) for at in clear_of_single_people(np.array(rows), categories)]


def clear_of_single_people(values: NDArray[np.float64], categories: NDArray[np.intp]) -> list[int]:
    """Columns that are among the best ones for all people, and for all but any single one; `values` has a row for each person."""
    total = np.nan_to_num(values).sum(axis=0)
    best = set(_best(total, categories))
    for own in np.nan_to_num(values):
        best &= set(_best(total - own, categories))
    return sorted(best)


def _best(total: NDArray[np.float64], categories: NDArray[np.intp]) -> list[int]:
    """At most ITEMS_MAX columns with the highest total, a further one of a category divided by one more than those before it."""
    chosen: list[int] = []
    while len(chosen) < ITEMS_MAX:
        taken = np.array([np.count_nonzero(categories[chosen] == one) for one in categories])
        worth = total / (1.0 + taken)
        worth[chosen] = 0.0
        at = int(np.argmax(worth))
        if worth[at] <= 0.0:
            break
        chosen.append(at)
    return chosen
