"""Sends triggers, after their decision was committed, until the acknowledgement of the broker or the expiry.

A trigger that cannot be sent stays in the store. After a reconnect it is sent if it has not expired; expired triggers are dropped and
counted.
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
        self._done: list[str] = []
        self.sent = 0
        self.expired = 0
        self.silenced = 0

    def apply_campaign(self, campaign: Campaign) -> None:
        """From now on send only triggers for offers of this campaign."""
        self._offers = {offer.id: offer for offer in campaign.offers}
        self._policy = campaign.policy

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
        self._in_flight[trigger.id] = connects
        self.sent += 1
        return True

    def outgoing(self, store: Store, now_ms: int) -> list[Outgoing]:
        """The waiting triggers of the channel `webhook`; those that have expired are dropped and counted."""
        waiting = [one for one in store.waiting_triggers() if one.channel == "webhook" and one.id not in self._done]
        opened = [(one, self._open_offer(one, now_ms)) for one in waiting]
        return [Outgoing(one.id, self._payload(one, offer, device=one.target)) for one, offer in opened if offer is not None]

    def passed_on(self, store: Store, decision: str, *, is_taken: bool) -> None:
        """Delete a trigger that the receiver has taken or refused. Raises StoreFullError."""
        trigger = next((one for one in store.waiting_triggers() if one.id == decision), None)
        store.triggers_sent([decision])
        if is_taken and trigger is not None:
            self.contacts.state(trigger.target, trigger.id, trigger.offer)
        self.sent += is_taken

    def _open_offer(self, trigger: Trigger, now_ms: int) -> Offer | None:
        """The offer of a trigger; None if it has expired, is silenced or is not in the campaign, and then the trigger is done."""
        offer, is_silenced = self._offers.get(trigger.offer), self._is_silenced(trigger, now_ms)
        if offer is not None and trigger.expires_at_ms > now_ms and not is_silenced:
            return offer
        self.silenced += is_silenced
        self.expired += not is_silenced
        self._in_flight.pop(trigger.id, None)
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
        for trigger in store.waiting_triggers():
            if trigger.id not in self._done and self._in_flight.get(trigger.id) != connects:
                self.send(trigger, now_ms)

    def flush(self, store: Store) -> None:
        """Delete triggers from the store that were acknowledged or expired. Raises StoreFullError, and then deletes none."""
        self._collect()
        if self._done:
            store.triggers_sent(self._done)
            self._done.clear()

    def _collect(self) -> None:
        """Collect the broker's acknowledgements."""
        taken = self._bus.taken()
        for decision in taken:
            self._in_flight.pop(decision, None)
        self._done += taken
