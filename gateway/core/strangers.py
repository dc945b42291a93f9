"""Messages that concern a radio or device of no consenting person: they are dropped by their topic, and their payload is not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core import addresses
from gateway.core.discards import Discard
from gateway.core.ephemeral import PREFIX

if TYPE_CHECKING:
    from gateway.core.site import Site
    from gateway.core.state.people import PeopleState


Concern = tuple[str, str | None]
"""The radio or device that the messages of a topic place, and the scanner that received it; None if it states its own place."""


def dropped(site: Site, people: PeopleState, concern: Concern) -> Discard | None:
    """The reason for which a message with this concern changes nothing, or None if that needs its payload."""
    name, scanner = concern
    if name in site.devices or name in site.anchors:
        return None
    if scanner is not None and scanner not in site.anchors:
        return Discard.UNMAPPED_ANCHOR
    if name in people.identities:
        return None
    if scanner is not None:
        if scanner in site.claims.counters:
            return None
        if people.keys and (addresses.is_resolvable(name) or name.startswith(PREFIX)):
            return None
    return Discard.NOT_CONSENTED
