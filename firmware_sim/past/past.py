"""The past of one person: visits, random offers and the answers to these, and purchases, without radio and broker.

Stays, acceptance and purchases are those of the simulated site. Offers are proposed at random, to any person, at any stay, so
no answer depends on an earlier model. Times are message time, as on a gateway of the site. Every person's past is shifted
by a random number of whole hours, because a run may begin at any time of the day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, NamedTuple

from firmware_sim.draws import generator
from firmware_sim.people.baskets import Basket, fill
from firmware_sim.people.itinerary import Stay
from firmware_sim.people.reaction import errand, react
from firmware_sim.people.walker import Walker
from firmware_sim.scenario import Kind
from firmware_sim.world.world import World

HOUR_MS = 3_600_000
WEEK_HOURS = 168
STAYS_MAX = 2_000  # of one person, also if hardly any offer can be proposed
OFFER_SHARE = 0.4  # of the occasions
DETECTION_MS = 2_000  # between the arrival and its detection
NEEDED = frozenset({"presence", "offers", "learning"})


class Event(NamedTuple):
    """A fact that a gateway folds, or (`body` None) a row of its interactions only."""

    at_ms: int
    body: Mapping[str, Any] | None
    row: Mapping[str, Any] | None = None


class Proposal(NamedTuple):
    """An offer with its true probability of acceptance, and whether it was accepted."""

    offer: str
    acceptance: float
    accepted: bool


class Past:
    """The past of one person until `offers` offers were proposed. `dwell_ms` is the gateway's time until a visit counts as dwelled."""

    def __init__(self, world: World, number: int, offers: int, dwell_ms: int) -> None:
        self.subject = f"customer-{number:05d}"
        self.walker = Walker(world, number)
        self.proposals: list[Proposal] = []
        self.bought: list[tuple[float, Kind, str, Basket]] = []
        self._world, self._offers, self._dwell_ms = world, offers, dwell_ms
        self._draws = generator(world.seed, "proposals", number)
        self._shift_ms = self._draws.randrange(WEEK_HOURS) * HOUR_MS

    @property
    def remembered(self) -> bool:
        """Whether a gateway keeps this person's history."""
        return self.walker.consents and set(self.walker.purposes) >= NEEDED

    def events(self) -> list[Event]:
        """All events, in the order of folding. The person's random streams are used up by the first call."""
        found = list[Event]()
        index, begins = 0, True
        while len(self.proposals) < self._offers and index < STAYS_MAX:
            stay = self.walker.itinerary.stay(index)
            if begins:
                found.append(self._consent(stay.from_s))
            found += self._stay(stay)
            index, begins = index + 1, stay.leaves
        return sorted(found, key=lambda event: event.at_ms)

    def _consent(self, street_s: float) -> Event:
        """The app's consent at the start of an outing, with its stated values."""
        told = self.walker.loyalty.stated(street_s, [(at_s, kind) for at_s, kind, _, _ in self.bought])
        told |= {f"visits_month_{kind}": float(count) for kind, count in self.walker.visits_month.items()}
        return Event(self._at(street_s), {"type": "consent", "purposes": self.walker.purposes, "told": told})

    def _stay(self, stay: Stay) -> Iterator[Event]:
        """The events of one stay: the occasions at its start and after the dwelling time, and a purchase without an offer."""
        world, zone = self._world, self._world.zones[stay.zone]
        if stay.buys_s is not None and zone.kind is not None:
            basket = fill(world.scenario.tastes[zone.kind], self._draws)
            self.bought.append((stay.buys_s, zone.kind, zone.id, basket))
        entered_ms, left_ms = self._at(stay.from_s) + DETECTION_MS, self._at(stay.until_s)
        if entered_ms >= left_ms:
            return
        yield from self._occasion(entered_ms, zone.id, "entered", 0.0)
        dwelled_ms = entered_ms + self._dwell_ms
        if dwelled_ms < left_ms:
            yield from self._occasion(dwelled_ms, zone.id, "dwelled", self._dwell_ms / 1000)
            yield Event(dwelled_ms, _fact("visits", dwelled_ms, zone=zone.id, zone_kind=zone.kind))
            row = {"what": "visit", "zone": zone.id, "kind": zone.kind, "dwell_s": (left_ms - entered_ms) / 1000}
            yield Event(entered_ms, None, row)

    def _occasion(self, at_ms: int, zone: str, occasion: str, dwell_s: float) -> Iterator[Event]:
        """A random offer of an open shop, at a share of the occasions."""
        world, draws, street_s = self._world, self._draws, self._street_s(at_ms)
        is_due = draws.random() < OFFER_SHARE and len(self.proposals) < self._offers
        open_ = [offer for offer in world.scenario.offers if world.is_open(offer.shop, street_s)]
        if not is_due or not open_:
            return
        offer = draws.choice(open_)
        category, decision = world.zones[offer.shop].kind, f"{self.subject}.{len(self.proposals) + 1}"
        acceptance = self.walker.acceptance(street_s, offer.shop, offer.id)
        self.walker.add_offer(street_s, offer.id)
        reaction = react(acceptance, draws)
        self.proposals.append(Proposal(offer.id, acceptance, reaction.accepts))
        tags = {"zone": zone, "zone_kind": world.zones[zone].kind, "offer": offer.id, "category": category}
        row = {"zone": zone, "kind": category, "offer": offer.id, "decision": decision}
        proposed = {
            "what": "proposed",
            "occasion": occasion,
            "dwell_s": dwell_s,
            "p_select": 1 / len(open_),
            **self._readings(zone, street_s),
        }
        yield Event(at_ms, None, row | proposed)
        yield Event(at_ms, _fact("contacts", at_ms, occasion=occasion, **tags))
        for after_ms, answer in reaction.answers:
            yield Event(at_ms + after_ms, _fact("answers", at_ms + after_ms, answer=answer, **tags), row | {"what": answer})
        if reaction.accepts:
            yield from self._redemption(at_ms + reaction.settled_ms, offer.shop, tags, row, draws)

    def _redemption(
        self, accepted_ms: int, shop: str, tags: Mapping[str, str | None], row: Mapping[str, Any], draws: Random
    ) -> Iterator[Event]:
        """The purchase with the offer and the phone's answer, unless the person does not come."""
        way, kind = errand(self._world.scenario.people.redeeming_share, draws), self._world.zones[shop].kind
        if way is None or kind is None:
            return
        street_s = self._street_s(accepted_ms)
        paid_s = street_s + self.walker.walk_s(street_s, shop) + way.queue_s
        basket, paid_ms = fill(self._world.scenario.tastes[kind], draws), self._at(paid_s)
        self.bought.append((paid_s, kind, shop, basket))
        sale = {**tags, "zone": shop, "zone_kind": kind, "amount": basket.amount_minor}
        bought = {"what": "purchase", "zone": shop, "kind": kind, "amount_minor": basket.amount_minor}
        yield Event(paid_ms, _fact("purchases", paid_ms, **sale), bought)
        answered_ms = paid_ms + way.phone_after_ms
        yield Event(answered_ms, _fact("answers", answered_ms, answer="redeemed", **tags), {**row, "what": "redeemed"})

    def _readings(self, zone: str, street_s: float) -> dict[str, float]:
        """Sensor values that a gateway knows in a zone: those of the site, and of the zone's own climate sensor."""
        outside, found = self._world.weather(street_s), dict[str, float]()
        for sensor in self._world.scenario.sensors:
            if sensor.zone is None:
                found |= {name: getattr(outside, name) for name in sensor.measures if name != "people"}
        for sensor in self._world.scenario.sensors:
            if sensor.zone == zone and "temperature" in sensor.measures:
                indoors = self._world.indoors(street_s)
                found |= {"temperature": indoors.temperature, "humidity": indoors.humidity}
        return {name: round(value, 2) for name, value in found.items()}

    def _at(self, street_s: float) -> int:
        return self._world.start_ms + self._shift_ms + self._world.published_ms(street_s)

    def _street_s(self, at_ms: int) -> float:
        return self._world.street_s(at_ms - self._world.start_ms - self._shift_ms)


def _fact(of: str, at_ms: int, **fields: object) -> dict[str, Any]:
    """A fact of a gateway's history log; fields without a value are left out."""
    known = {name: value for name, value in fields.items() if value is not None}
    return {"type": "fact", "fact": {"of": of, "at_ms": at_ms, **known}}
