"""The gateway with one guard switched off, twelve times: a promise that nobody would notice to be broken is not watched.

Each guard is a part of the gateway that the rig takes from outside (a store, a road, a broker, a clock, a campaign), made worse,
or, where the core offers no such place, one of its rules put out of force by the test's monkeypatch.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from firmware_sim.adversaries.names import AdversaryName
from gateway.adapters.store import counts
from gateway.adapters.store.table import Hasher
from gateway.core import claims, consent, presence
from gateway.core.offers import Campaign
from gateway.core.ports import StoreFullError
from gateway.core.privacy import release
from gateway.core.recent import Recent
from gateway.core.records import Batch, HourCounts
from gateway.core.site import Site
from gateway.runtime.router import Route, Router
from gateway.runtime.trigger_sender import TriggerSender
from tests.kit.testbed import KEY, ManualClock
from tests.week import scene
from tests.week.line import Line
from tests.week.machine import Parts, WeekStore

if TYPE_CHECKING:
    from gateway.core.privacy.tables import Catalogue
    from gateway.core.state import Changes
    from gateway.core.types import Envelope, Message, Observation
    from gateway.runtime.sources import Source


class Rule(NamedTuple):
    """A rule of the core and what stands in its place: the object, the attribute, the stand-in."""

    where: object
    name: str
    instead: object


class Guard(NamedTuple):
    """What is switched off, the fault that it guards against, and which invariants must notice."""

    name: str
    faults: tuple[str, ...]
    noticed: frozenset[str]
    parts: Parts = Parts()
    rules: tuple[Rule, ...] = ()
    cadence_s: int = scene.CADENCE_S
    haste: float = 6.0
    adversaries: tuple[AdversaryName, ...] = ()


class ForgetfulHasher(Hasher):
    """Gives an envelope another hash at every look."""

    def envelope(self, _: Envelope) -> bytes:
        return secrets.token_bytes(16)


class ForgetfulStore(WeekStore):
    """Recognises no fact: each repetition is stored as another one."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.facts._hasher = ForgetfulHasher(KEY)


class BoastfulStore(WeekStore):
    """Says that all is well when the disk is full."""

    def save(self, changes: Changes) -> None:
        try:
            super().save(changes)
        except StoreFullError:
            return


class RenamingStore(WeekStore):
    """Gives a record another name at every try."""

    def next_batch(self, gateway: str) -> Batch | None:
        batch = super().next_batch(gateway)
        if batch is None:
            return None
        fresh = replace(batch, batch=f"{gateway}.{secrets.token_hex(8)}")
        records = tuple(replace(record, id=f"{record.id}.{secrets.token_hex(4)}") for record in batch.records)
        return replace(fresh, records=records)

    def records_taken(self, batch: Batch, taken: Sequence[str]) -> int:
        whole = replace(batch, records=tuple(replace(record, id=record.id.rpartition(".")[0]) for record in batch.records))
        return super().records_taken(whole, [name.rpartition(".")[0] for name in taken])


class EagerLine(Line):
    """Takes the thanks as given when it hands a message over."""

    def pump(self) -> bool:
        handed = super().pump()
        self._unthanked.clear()
        return handed


class ForgivingRoad(Router):
    """Lets a payload pass that no decoder takes, and says nothing of it."""

    def _read(self, route: Route, message: Message) -> list[Observation]:
        before = self.refused.copy()
        found = super()._read(route, message)
        self.refused = before
        return found


class EndlessRoad(Router):
    """Remembers every topic that was ever made up."""

    def __init__(self, sources: Sequence[Source]) -> None:
        super().__init__(sources)
        self._routes = Recent(2**40)


class SilentClock(ManualClock):
    """Is set without a word."""

    def take_step(self) -> int:
        super().take_step()
        return 0


def _with_policy(**changes: Any) -> Callable[[Site], Site]:
    """The gateway is given another policy than the one that was signed off."""
    return lambda site: replace(site, campaign=replace(site.campaign, policy=replace(site.campaign.policy, **changes)))


def _without_caps(site: Site) -> Site:
    offers = tuple(replace(offer, per_person_day_max=60) for offer in site.campaign.offers)
    return replace(site, campaign=Campaign(offers, replace(site.campaign.policy, per_person_day_max=60)))


def _since_ever(site: Site) -> Site:
    """No year is too early, for the gateway and for the campaign."""
    offers = tuple(replace(offer, starts_ms=0) for offer in site.campaign.offers)
    return replace(site, clock_floor_ms=0, campaign=replace(site.campaign, offers=offers))


def _leaking(catalogue: Catalogue, *arguments: Any) -> HourCounts:
    """A door that writes a phone's name where a zone's belongs."""
    return replace(_honest_door(catalogue, *arguments), zones=("phone-0001",) * len(catalogue.zones))


_honest_door = release.hour_record


def _first_come(entering: presence.Step, *_: object) -> tuple[presence.Step, list[presence.Presence]]:
    """Whoever hears somebody has them, whatever others hear."""
    return entering, []


def _noticed(*names: str) -> frozenset[str]:
    return frozenset(names)


GUARDS: tuple[Guard, ...] = (
    Guard("facts are known again", ("duplicate", "replay"), _noticed("facts"), Parts(store=ForgetfulStore)),
    Guard("thanks come after the commit", ("crash",), _noticed("facts", "people", "visits"), Parts(line=EagerLine)),
    Guard("a full disk is told", ("disk",), _noticed("facts", "people", "visits", "cool_down", "cap_offer"), Parts(store=BoastfulStore)),
    Guard("caps", (), _noticed("cap_day", "cap_offer"), Parts(site=_without_caps)),
    Guard("the cool-down", (), _noticed("cool_down"), Parts(site=_with_policy(gap_s_min=0))),
    Guard("quiet hours", (), _noticed("quiet"), Parts(site=_with_policy(quiet_from=0, quiet_until=0))),
    Guard("the clock's floor", ("clock",), _noticed("trusted_clock"), Parts(site=_since_ever)),
    Guard("a set clock is told", ("clock",), _noticed("visits"), Parts(clock=SilentClock), cadence_s=30),
    Guard("a refusal is counted", ("corrupt",), _noticed("accounts"), Parts(router=ForgivingRoad)),
    Guard("routes are bounded", ("flood",), _noticed("bounds"), Parts(router=EndlessRoad)),
    Guard("a record keeps its name", ("cloud",), _noticed("records"), Parts(store=RenamingStore)),
    Guard(
        "a no forgets the person",
        ("replay",),
        _noticed("consent", "people"),
        rules=(Rule(consent, "forget", lambda *_: None),),
    ),
    Guard("what waits is sent", ("crash",), _noticed("told"), rules=(Rule(TriggerSender, "send_waiting", lambda *_: None),), haste=1.5),
    Guard("zones compete", (), _noticed("visits"), rules=(Rule(presence, "arbitrate", _first_come),)),
    Guard(
        "a claim needs a proof",
        (),
        _noticed("people"),
        rules=(Rule(claims, "_is_code", lambda *_: True),),
        adversaries=("claimer",),
    ),
    Guard("the privacy door", (), _noticed("leaks"), rules=(Rule(counts, "hour_record", _leaking),)),
)
