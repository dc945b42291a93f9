"""Publishes the programmes of screens on `wayside/v1/{site}/screen/{screen}/offer`, after the commit of their slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.core.bus import Publication
from gateway.core.channels import CHANNELS, wording
from gateway.core.creatives import choose_creative

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.core.site import Site
    from gateway.core.state import Changes
    from gateway.core.state.screens import Slot


def programmes(site: Site, changes: Changes) -> Iterator[Publication]:
    """A message for each programme of a committed batch. It does not state whether a group is present."""
    topic = CHANNELS["screen"].topic
    assert topic is not None
    for screen, programme in changes.screens.programmes.items():
        items = [item for slot in programme.slots if (item := _item(site, slot)) is not None]
        body = {"v": 1, "until_ms": programme.until_ms, "items": items}
        yield Publication(topic(site.name, screen), msgspec.json.encode(body), qos=1, expiry_s=2 * site.screen_terms.programme_s)


def _item(site: Site, slot: Slot) -> dict[str, Any] | None:
    offer = site.campaign.offer(slot.offer)
    if offer is None:
        return None
    shown = wording(offer, choose_creative(offer.creatives, "screen", None))
    return {
        "slot": slot.id,
        "offer": offer.id,
        "shop": offer.shop,
        "title": shown.title,
        "body": shown.body,
        "seconds": slot.seconds,
    }
