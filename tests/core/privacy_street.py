"""Contacts of simulated people, as the input of the tables that leave: the city of `wayside-sim policies`, with the shipped model.

People who consent to measurement count. A tenth of them is held out: no offer reaches them, and a visit to the offer's shop within its
window is seen all the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from firmware_sim.policies.baselines import Propensity
from firmware_sim.policies.city import City
from firmware_sim.policies.run import Choice, Closed, Situation, run
from firmware_sim.policies.site import Shop, open_shop
from firmware_sim.scenario import Scenario, load
from gateway.core.learning.explore import in_holdout
from gateway.core.privacy.contribution import cell_of, first
from gateway.core.privacy.release import catalogue
from gateway.core.privacy.tables import Catalogue
from gateway.core.records import OutcomeCell
from gateway.core.site import local
from gateway.core.state.outcomes import Outcome, Window
from tests.house import tree

HOLDOUT = 0.1
HOUR_MS = 3_600_000


class Made(NamedTuple):
    """A contact: `person` is a device, `day` and `closed_day` local days, `hour` the hour since 1970 in which it was sent."""

    person: str
    day: int
    closed_day: int
    hour: int
    zone: str
    offer: str
    cell: OutcomeCell
    consents: bool

    @property
    def is_sent(self) -> bool:
        """Whether the offer was sent, not held out."""
        return not self.cell.startswith("held_out")


class _Recorded(Propensity):
    """Sends like `Propensity`, and keeps what became of each message."""

    def __init__(self, city: City, shop: Shop) -> None:
        super().__init__()
        self.made: list[Made] = []
        self._shop = shop
        self._zones: dict[tuple[str, int], str] = {}
        self._visits: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for moment in city.moments:
            if moment.occasion == "dwelled":
                at_ms = city.world.start_ms + round(moment.street_s * 1_000)
                self._visits[f"s{city.walkers[moment.person].number}", moment.zone].append(at_ms)

    def choose(self, here: Situation) -> Choice | None:
        choice = super().choose(here)
        if choice is not None:
            self._zones[here.request.subject.subject, here.request.now_ms] = here.request.zone
        return choice

    def learn(self, closed: Closed) -> None:
        super().learn(closed)
        person, timezone = closed.subject, self._shop.site.timezone
        held_out = in_holdout("privacy", person.device, HOLDOUT)
        visits = self._visits[person.subject, closed.offer.shop]
        at = bisect_left(visits, closed.sent_ms)
        visited = at < len(visits) and visits[at] < closed.closed_ms
        zone = self._zones[person.subject, closed.sent_ms]
        window = Window(person.subject, closed.offer.id, zone, closed.offer.shop, "entered", "held_out" if held_out else "sent", 0)
        outcome = Outcome(closed.closed_ms, "none" if held_out else closed.ended, visited, 0)
        self.made.append(
            Made(
                person.device,
                local(closed.sent_ms, timezone).toordinal(),
                local(closed.closed_ms, timezone).toordinal(),
                closed.sent_ms // HOUR_MS,
                zone,
                closed.offer.id,
                cell_of(window, outcome),
                "measurement" in person.purposes,
            )
        )


class Street(NamedTuple):
    """The public catalogue, the contacts in order of time, and the number of people who consent to anything."""

    catalogue: Catalogue
    contacts: Sequence[Made]
    people: int


def street(world: str, people: int, days: int, seed: int) -> Street:
    """What happens in a world with so many people."""
    scenario: Scenario = load(world)
    folder = tree.ROOT / "deploy" / "worlds" / world
    shop = open_shop(scenario, folder / f"{world}.bundle", folder / "bundle.pub", days)
    city = City(scenario, seed=seed, days=days, people=people, dwelled_s=shop.site.presence.dwell_ms / 1_000)
    policy = _Recorded(city, shop)
    run(city, shop, policy)
    return Street(catalogue(shop.site), policy.made, len(city.walkers))


def bounded(contacts: Iterable[Made], most: int, *, table: str) -> list[Made]:
    """The contacts that count in a table: of people who consent to measurement, the first `most` of a person and day."""
    counting = [one for one in contacts if one.consents and (table == "offers" or one.is_sent)]
    keys = [(one.person, one.closed_day if table == "offers" else one.day) for one in counting]
    return [one for one, number in zip(counting, first(keys, {}, most), strict=True) if number is not None]


def hour_counts(contacts: Iterable[Made]) -> Counter[tuple[int, str]]:
    """Contacts by hour and zone."""
    return Counter((one.hour, one.zone) for one in contacts)


def offer_counts(contacts: Iterable[Made]) -> Counter[tuple[int, str, str, str]]:
    """Contacts by day, zone, offer and outcome."""
    return Counter((one.closed_day, one.zone, one.offer, one.cell) for one in contacts)
