"""Messages that concern a radio or device of no consenting person: they are dropped by their topic, and their payload is not read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.core import addresses
from gateway.core.discards import Discard
from gateway.core.ephemeral import PREFIX

if TYPE_CHECKING:
    from gateway.core.site import Site
    from gateway.core.state.people import PeopleState


Concern = tuple[str, str | None]
"""The radio or device that the messages of a topic place, and the scanner that received it; None if it states its own place."""


Dropped = Callable[[Concern], Discard | None]
"""The reason for which messages with this concern change nothing, or None if that needs the payload."""


def dropping(site: Site, people: PeopleState) -> Dropped:
    """The function for the devices and zones of a site, by the people at the time of each call."""
    devices, anchors, counters = site.devices, site.anchors, site.claims.counters  # once: this is asked for every message
    unmapped, not_consented = Discard.UNMAPPED_ANCHOR, Discard.NOT_CONSENTED

    def dropped(concern: Concern) -> Discard | None:
        name, scanner = concern
        if name in devices or name in anchors:
            return None
        if scanner is not None and scanner not in anchors:
            return unmapped
        if name in people.identities or (scanner is not None and scanner in counters):
            return None
        if scanner is not None and people.keys and (addresses.is_resolvable(name) or name.startswith(PREFIX)):
            return None
        return not_consented

    return dropped
