"""Sends triggers, after their decision was committed, until the acknowledgement of the broker or the expiry.

A trigger that cannot be sent stays in the store. After a reconnect it is sent if it has not expired; expired triggers are dropped and
counted. Those that were never handed over, or were refused, are released (`gateway.core.delivery`); one of an earlier start may have been
published then, so it counts as delivered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from gateway.core.bus import Bus, Publication
from gateway.core.channels import CHANNELS, coupon_code, offer_message
from gateway.runtime.neighbours import ContactExchange

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.offers import Campaign, Offer
    from gateway.core.ports import Store
    from gateway.core.site import Site
    from gateway.core.state import Trigger


class Outgoing(NamedTuple):
    """A waiting trigger of the channel `webhook`, as it is passed on."""

    id: str
    body: bytes


class TriggerSender:
    """Publishes triggers and tracks acknowledgements. Used by the writer thread."""

    def __init__(self, site: Site, bus: Bus, is_silenced: Callable[[Trigger, int], bool] = lambda _trigger, _now_ms: False) -> None:
        """Start without triggers in flight. `is_silenced(trigger, now_ms)`: whether an incident silences the trigger's zone."""
        self.contacts = ContactExchange(site, bus)
        self._is_silenced = is_silenced
        self.apply_campaign(site.campaign)
        self._site = site.name
        self._signer = site.coupons
        self._bus = bus
        self._in_flight: dict[str, int] = {}
        self._unsent: set[str] = set()
        self._failed: list[str] = []
        self._done: list[str] = []
        self.sent = 0
        self.expired = 0
        self.silenced = 0

    def apply_campaign(self, campaign: Campaign) -> None:
        """From now on send only triggers for offers of this campaign."""
        self._offers = {offer.id: offer for offer in campaign.offers}
        self._policy = campaign.policy

    def begin(self, trigger: Trigger, now_ms: int) -> bool:
        """Publish a trigger that was decided just now; see `send`."""
        self._unsent.add(trigger.id)
        return self.send(trigger, now_ms)

    def take_failed(self) -> tuple[str, ...]:
        """Decision ids of triggers that did not leave the gateway or were refused, since the last call."""
        failed, self._failed = tuple(self._failed), []
        return failed

    def send(self, trigger: Trigger, now_ms: int) -> bool:
        """Publish a trigger; False if its channel publishes none, it is not open any more, or there is no connection."""
        topic = CHANNELS[trigger.channel].topic
        offer = self._open_offer(trigger, now_ms) if topic is not None else None
        if topic is None or offer is None:
            return False
        left_ms = trigger.expires_at_ms - now_ms
        payload = self._payload(trigger, offer)
        publication = Publication(topic(self._site, trigger.target), payload, qos=1, expiry_s=max(1, left_ms // 1000), token=trigger.id)
        connects = self._bus.link().connects
        if not self._bus.publish(publication):
            return False
        self.contacts.state(trigger.target, trigger.id, trigger.offer)
        self._unsent.discard(trigger.id)
        self._in_flight[trigger.id] = connects
        self.sent += 1
        return True

    def outgoing(self, store: Store, now_ms: int) -> list[Outgoing]:
        """The waiting triggers of the channel `webhook`; those that have expired are dropped and counted."""
        waiting = [one for one in self._waiting(store) if one.channel == "webhook"]
        opened = [(one, self._open_offer(one, now_ms)) for one in waiting]
        self._unsent -= {one.id for one, offer in opened if offer is not None}  # the receiver may take one whose answer is lost
        return [Outgoing(one.id, self._payload(one, offer, device=one.target)) for one, offer in opened if offer is not None]

    def passed_on(self, store: Store, decision: str, *, is_taken: bool) -> None:
        """Delete a trigger that the receiver has taken, or note that it was refused. Raises StoreFullError."""
        if not is_taken:
            self._failed.append(decision)
            return
        trigger = next((one for one in store.waiting_triggers() if one.id == decision), None)
        store.triggers_sent([decision])
        self.sent += 1
        if trigger is not None:
            self.contacts.state(trigger.target, trigger.id, trigger.offer)

    def _open_offer(self, trigger: Trigger, now_ms: int) -> Offer | None:
        """The offer of a trigger; None if one of both has ended, it is silenced or not in the campaign; then the trigger is done."""
        offer, is_silenced = self._offers.get(trigger.offer), self._is_silenced(trigger, now_ms)
        if offer is not None and min(trigger.expires_at_ms, offer.ends_ms) > now_ms and not is_silenced:
            return offer
        self.silenced += is_silenced
        self.expired += not is_silenced
        self._in_flight.pop(trigger.id, None)
        if trigger.id in self._unsent:
            self._unsent.discard(trigger.id)
            self._failed.append(trigger.id)
        else:
            self._done.append(trigger.id)
        return None

    def _payload(self, trigger: Trigger, offer: Offer, **more: str) -> bytes:
        coupon = coupon_code(self._signer, trigger.id, offer, self._policy, trigger.expires_at_ms)
        body = offer_message(trigger.id, offer, trigger.creative, trigger.zone, trigger.expires_at_ms, coupon)
        return msgspec.json.encode({"v": 1, **more, **body})

    def send_waiting(self, store: Store, now_ms: int) -> None:
        """After a (re)connect: send the stored triggers that are neither acknowledged nor in flight over this connection."""
        self._collect()
        connects = self._bus.link().connects
        for trigger in self._waiting(store):
            if self._in_flight.get(trigger.id) != connects:
                self.send(trigger, now_ms)

    def _waiting(self, store: Store) -> list[Trigger]:
        """The stored triggers that are not done."""
        over = {*self._done, *self._failed}
        return [one for one in store.waiting_triggers() if one.id not in over]

    def flush(self, store: Store) -> None:
        """Delete triggers from the store that were acknowledged or expired. Raises StoreFullError, and then deletes none."""
        self._collect()
        if self._done:
            store.triggers_sent(self._done)
            self._done.clear()

    def _collect(self) -> None:
        """Collect the broker's acknowledgements."""
        taken = self.contacts.settled(self._bus.taken())
        for decision in taken:
            self._in_flight.pop(decision, None)
        self._done += taken
