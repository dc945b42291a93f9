"""States the contacts of this gateway to the other gateways of the site, on `wayside/v1/{site}/up/{gateway}/contact`.

An offer to a phone is stated when it is published, and again if it is published again; an offer that was passed on, a reply and a
contact of the holdout once. A withdrawal on the page or at the desk is stated on `.../withdrawn` until the broker has acknowledged it; it
waits in memory, because after an erasure the device's id is in no file. Nothing is stated if the config declares no neighbour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.core import limits
from gateway.core.bus import Bus, Publication
from gateway.core.channels import is_page

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.core.ports import Store
    from gateway.core.site import Site
    from gateway.core.state import Changes
    from gateway.core.state.replies import Withdrawn

WITHDRAWN = "withdrawn."  # begins the tokens; a decision's id begins with the name of a gateway and has one dot


class ContactExchange:
    """Publishes own contacts. Used by the writer thread."""

    def __init__(self, site: Site, bus: Bus) -> None:
        """Nothing is published yet."""
        own = f"wayside/v1/{site.name}/up/{site.gateway}"
        self._topic, self._topic_withdrawn = f"{own}/contact", f"{own}/withdrawn"
        self._has_neighbours = bool(site.neighbours)
        self._bus = bus
        self._withdrawn: dict[str, Publication] = {}
        self._connects = 0

    def state(self, person: str, decision: str, offer: str, *, is_sent: bool = True) -> None:
        """State one contact of the person with the phone `person`; a person without one is unknown to the neighbours."""
        if not self._has_neighbours or is_page(person):
            return
        body = {"v": 1, "boot": decision, "seq": 0, "person": person, "decision": decision, "offer": offer, "sent": is_sent}
        self._bus.publish(Publication(self._topic, msgspec.json.encode(body), qos=1, expiry_s=limits.NEIGHBOUR_CONTACT_EXPIRY_S))

    def state_unsent(self, changes: Changes, store: Store) -> None:
        """State the contacts of a committed batch that wait for no delivery: replies to requests, and the holdout."""
        if not self._has_neighbours:
            return
        waiting = {trigger.id for trigger in changes.decisions.triggers}
        for made in changes.decisions.made:
            offer, person = made.offer or made.intended, store.context(made.subject)
            if offer is not None and person is not None and made.id not in waiting:
                self.state(person.device, made.id, offer, is_sent=made.offer is not None)

    def state_withdrawn(self, withdrawn: Iterable[Withdrawn]) -> None:
        """State withdrawals of people with a phone, which may be known to the neighbours."""
        for one in withdrawn:
            if self._has_neighbours and not is_page(one.device) and len(self._withdrawn) < limits.NEIGHBOUR_WITHDRAWN_DEVICES_MAX:
                body = {"v": 1, "boot": one.boot, "seq": 0, "person": one.device, "change": one.change}
                made = Publication(self._topic_withdrawn, msgspec.json.encode(body), qos=1, token=f"{WITHDRAWN}{one.boot}")
                self._withdrawn[made.token] = made
                self._bus.publish(made)

    def repeat_withdrawn(self) -> None:
        """After a connect, state the withdrawals again that the broker has not acknowledged."""
        connects = self._bus.link().connects
        if connects == self._connects:
            return
        self._connects = connects
        for one in self._withdrawn.values():
            self._bus.publish(one)

    def settled(self, taken: Iterable[str]) -> list[str]:
        """Of tokens that the broker has acknowledged, those of others; the withdrawals among them are done."""
        return [token for token in taken if self._withdrawn.pop(token, None) is None]
