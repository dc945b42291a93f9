"""States the contacts of this gateway to the other gateways of the site, on `wayside/v1/{site}/up/{gateway}/contact`.

An offer to a phone is stated when it is published, and again if it is published again; an offer that was passed on, a reply and a
contact of the holdout once. Nothing is stated if the config declares no neighbour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.core import limits
from gateway.core.bus import Bus, Publication
from gateway.core.channels import is_page

if TYPE_CHECKING:
    from gateway.core.ports import Store
    from gateway.core.site import Site
    from gateway.core.state import Changes


class ContactExchange:
    """Publishes own contacts. Used by the writer thread."""

    def __init__(self, site: Site, bus: Bus) -> None:
        """Nothing is published yet."""
        self._topic = f"wayside/v1/{site.name}/up/{site.gateway}/contact"
        self._has_neighbours = bool(site.neighbours)
        self._bus = bus

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
