"""The app on a phone, and its user.

Consent, sightings of fixed beacons and positions are the open loop and independent of the gateway. Answers to offers are
the closed loop: each follows the person's true probability of acceptance, with a random stream per phone and offer, and has a
lane for answers (see `fixtures.make_encoder`). Redeeming takes the walking time, but the person's simulated position does not
change: radio belongs to the open loop.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from firmware_sim import draws
from firmware_sim.devices import ble, owntracks
from firmware_sim.devices.wayside_v1 import Offer, read_offer, read_receipt
from firmware_sim.event_loop import EventLoop
from firmware_sim.message import Message, Publish
from firmware_sim.people.reaction import errand, react
from firmware_sim.people.truth import OfferRecord, TruthRecorder
from firmware_sim.people.walker import Walker
from firmware_sim.radio.propagation import Propagation
from firmware_sim.street.counters import Counters
from firmware_sim.street.fixtures import make_encoder
from firmware_sim.street.transport import Restart, Transport
from firmware_sim.world.world import degrees

CONSENT_WITHIN_MS = 1500
CONFIRM_MS, HOLDS_MAX = 4_000, 6  # pause before a tag that is held to the counter is claimed again; how often
REPEAT_MS = (5_000, 60_000)  # a consent without receipt is repeated after this time, which doubles up to the maximum
Redeem = Callable[[int, int, Random, str, str], bool]
"""Redeem a decision: time in ms, walker's number, random stream, shop, decision. Returns False if the shop has no till."""


class App:
    """App on one phone. All its times are published milliseconds."""

    def __init__(
        self,
        walker: Walker,
        beacons: dict[str, ble.IBeacon],
        propagation: Propagation,
        loop: EventLoop,
        transport: Transport,
        *,
        repeats: bool = False,
        hold: Callable[[int], None] | None = None,
    ) -> None:
        """`repeats`: a consent is repeated until there is a receipt. `hold` holds the tag to the counter, for a phone without its code."""
        self.device = f"phone-{walker.number:04d}"
        self._walker, self._world = walker, walker.world
        self._beacons, self._propagation, self._loop, self._transport = beacons, propagation, loop, transport
        self._publish = transport.publish
        self._draws = draws.generator(self._world.seed, "phone", walker.number)
        self._encoder = make_encoder(self._world, self.device)
        self._restart = Restart(self._world.seed, self._world.start_ms, self.device, {"own": self._encoder})
        transport.attach(self._restart)
        self._clock = not draws.chosen(walker.number, self._world.scenario.people.clockless_share)
        self._battery = self._draws.randint(25, 100)
        self._fixed_ms: int | None = None
        self._silent = walker.joins_s > 0.0
        self._changes, self._repeats = 0, repeats
        self._unanswered: Message | None = None
        self._hold, self._held = hold, 0
        key = draws.generator(self._world.seed, "ephemeral key", walker.number).randbytes(16)
        self.key = key if walker.enrolment == "key" else None
        self._start()

    @property
    def ibeacon(self) -> ble.IBeacon:
        """The beacon that the app advertises; the consent contains it as a tag."""
        scenario, number = self._world.scenario, self._walker.number
        power = round(scenario.radio.rssi_1m_dbm)
        return ble.IBeacon(scenario.phones.app_uuid, 1000 + number // 1000, number % 1000, power)

    def claim(self, now_ms: int) -> int | None:
        """Time of the phone's own clock in UTC milliseconds, or None for a phone without a clock."""
        return self._transport.clock_ms(now_ms) if self._clock else None

    @property
    def silent(self) -> bool:
        """Whether consent is missing, not yet given or withdrawn. The beacon keeps advertising: ignoring it is the gateway's duty."""
        return self._silent

    def receive(self, payload: bytes) -> None:
        """Handle a receipt: the last consent needs no repetition, and later ones are numbered above the known number."""
        receipt = read_receipt(payload)
        if receipt is not None and not self.off:
            self._changes = max(self._changes, receipt.change)
            self._unanswered = None
            if self._hold is not None and not self._silent and self._held < HOLDS_MAX and set(receipt.claims) - {"linked"}:
                self._loop.at(self._loop.now_ms + CONFIRM_MS, self._present)

    def _present(self, now_ms: int) -> None:
        """Hold the tag to the counter once more, and consent again."""
        if not self._silent:
            self._consent(now_ms)

    def _say(self, consent: Message) -> None:
        """Publish a consent, and repeat it until there is a receipt."""
        self._unanswered = consent
        self._publish(consent)
        self._repeat(consent, REPEAT_MS[0])

    def _repeat(self, consent: Message, pause_ms: int) -> None:
        def again(_now_ms: int) -> None:
            if self._unanswered is consent and not self.off:
                self._publish(consent)
                self._repeat(consent, min(2 * pause_ms, REPEAT_MS[1]))

        if self._repeats:
            self._loop.at(self._loop.now_ms + pause_ms, again)

    @property
    def off(self) -> bool:
        """Whether the phone's battery is flat."""
        return self._transport.is_flat(self._loop.now_ms)

    def _start(self) -> None:
        phones, plan = self._world.scenario.phones, self._loop
        plan.at(self._world.published_ms(self._walker.joins_s) + self._draws.randrange(CONSENT_WITHIN_MS), self._consent)
        plan.every(CONSENT_WITHIN_MS + self._draws.randrange(phones.scan_ms), phones.scan_ms, self._scan, self._has_left)
        plan.every(CONSENT_WITHIN_MS + self._draws.randrange(phones.fine_ms), phones.fine_ms, self._locate, self._has_left)
        if self._walker.withdraws_s is not None:
            plan.at(self._world.published_ms(self._walker.withdraws_s), self._withdraw)
        if self._walker.returns_s is not None:
            plan.at(self._world.published_ms(self._walker.returns_s), self._consent)

    def _has_left(self, now_ms: int) -> bool:
        return self._walker.has_left(self._world.street_s(now_ms))

    def _consent(self, now_ms: int) -> None:
        self._silent = False
        if self._hold is not None and self._held < HOLDS_MAX:
            self._held += 1
            self._hold(now_ms)
        self._publish(self._encoder.status(self.claim(now_ms), uptime_s=self._restart.uptime_s(now_ms), battery=self._battery))
        told = self._walker.loyalty.stated(self._world.street_s(now_ms))
        visits: dict[str, float] = {kind: float(count) for kind, count in self._walker.visits_month.items()}
        self._changes += 1
        tags = [] if self.key else [self.ibeacon.canonical]
        keys = [self.key.hex()] if self.key else []
        consent = self._encoder.consent(
            self.claim(now_ms), self._walker.purposes, tags, visits, told, self._changes, has_codes=self._hold is None, eid_keys=keys
        )
        self._say(consent)

    def _withdraw(self, now_ms: int) -> None:
        self._changes += 1
        self._say(self._encoder.consent(self.claim(now_ms), (), change=self._changes))
        self._silent = True

    def _scan(self, now_ms: int) -> None:
        place = self._walker.place(self._world.street_s(now_ms))
        if place is None or self._silent:
            return
        if self._walker.asleep(now_ms):
            return
        heard = [
            (beacon.canonical, rssi, beacon.power_dbm)
            for name, rssi in self._propagation.heard(self._walker.number, place.spot, self._draws)
            for beacon in (self._beacons[name],)
        ]
        if heard:
            self._publish(self._encoder.sighting(self.claim(now_ms), heard))

    def _locate(self, now_ms: int) -> None:
        place = self._walker.place(self._world.street_s(now_ms))
        if place is None or self._silent:
            return
        if self._walker.asleep(now_ms):
            return
        phones = self._world.scenario.phones
        rested = self._fixed_ms is None or now_ms - self._fixed_ms >= phones.coarse_ms
        if not rested and place.zone != phones.fine_zone:
            return
        self._fixed_ms = now_ms
        gauss = self._draws.gauss
        spot = place.spot._replace(x_m=place.spot.x_m + gauss(0.0, phones.error_m), y_m=place.spot.y_m + gauss(0.0, phones.error_m))
        latitude, longitude = degrees(spot, self._world.scenario.origin)
        at_ms = self._world.start_ms + now_ms  # position times come from the satellite receiver, not from the phone's clock
        accuracy_m = max(1, round(1.5 * phones.error_m))
        user = self._world.scenario.site
        self._publish(owntracks.location(user, self.device, latitude, longitude, accuracy_m=accuracy_m, at_ms=at_ms, battery=self._battery))


class PhoneUser:
    """The person as the receiver of offers: reads, considers, answers, walks to the shop and redeems."""

    def __init__(
        self, app: App, walker: Walker, loop: EventLoop, publish: Publish, *, redeem: Redeem, counters: Counters, recorder: TruthRecorder
    ) -> None:
        self.app = self._app = app
        self._walker, self._world = walker, walker.world
        self._loop, self._publish, self._redeem, self._counters = loop, publish, redeem, counters
        self._recorder = recorder
        self._encoder = make_encoder(self._world, app.device, "offers")
        self._known: set[str] = set()

    def receive(self, payload: bytes) -> None:
        """Handle an offer that arrives now."""
        offer = read_offer(payload)
        fate = self._fate(offer)
        self._counters.offers[fate] += 1
        if offer is None:
            return
        acceptance = self._acceptance(offer) if fate == "received" else None
        at_ms, number = self._loop.now_ms, self._walker.number
        self._recorder.add_offer(OfferRecord(number, at_ms, offer.decision, offer.offer, offer.zone, offer.shop, fate, acceptance))
        if acceptance is not None:
            self._known.add(offer.decision)
            self._consider(offer, acceptance, draws.generator(self._world.seed, "offer", number, len(self._known)))

    def _acceptance(self, offer: Offer) -> float:
        """True probability of accepting the offer now; the offer counts for later fatigue."""
        street_s = self._world.street_s(self._loop.now_ms)
        acceptance = self._walker.acceptance(street_s, offer.shop, offer.offer)
        self._walker.add_offer(street_s, offer.offer)
        return acceptance

    def _fate(self, offer: Offer | None) -> str:
        if offer is None:
            return "unreadable"
        if self._app.off:
            return "phone_off"
        if self._app.silent:
            return "after_withdrawal"
        if offer.decision in self._known:
            return "repeated"
        return "expired" if self._world.start_ms + self._loop.now_ms >= offer.expires_at_ms else "received"

    def _consider(self, offer: Offer, acceptance: float, chance: Random) -> None:
        now_ms, reaction = self._loop.now_ms, react(acceptance, chance)
        for after_ms, answer in reaction.answers:
            self._answer(now_ms + after_ms, offer, answer)
        if reaction.accepts:
            self._go(now_ms + reaction.settled_ms, offer, chance)

    def _go(self, accepted_ms: int, offer: Offer, chance: Random) -> None:
        """Walk to the shop, queue and redeem: the till publishes the sale first, the phone its answer a moment later."""
        way = errand(self._world.scenario.people.redeeming_share, chance)
        if way is None:
            return
        street_s = self._walker.walk_s(self._world.street_s(accepted_ms), offer.shop) + way.queue_s

        def at_till(now_ms: int) -> None:
            if not self._app.silent and self._redeem(now_ms, self._walker.number, chance, offer.shop, offer.decision):
                self._answer(now_ms + way.phone_after_ms, offer, "redeemed")

        self._loop.at(accepted_ms + self._world.published_ms(street_s), at_till)

    def _answer(self, at_ms: int, offer: Offer, answer: str) -> None:
        """Publish an answer at `at_ms`, unless consent has been withdrawn by then."""

        def send(now_ms: int) -> None:
            if not self._app.silent:
                self._publish(self._encoder.answer(self._app.claim(now_ms), offer.decision, answer))
                self._counters.answers[answer] += 1

        self._loop.at(at_ms, send)
