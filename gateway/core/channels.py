"""Channels: the ways in which an offer reaches a person. A new channel is one row of CHANNELS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from gateway.core.offers import Offer

ChannelName = Literal["phone", "reply"]


class Channel(NamedTuple):
    """`topic(site, target)` is where a trigger for `target` is published; None if the offer is the reply to a request."""

    topic: Callable[[str, str], str] | None


CHANNELS: Mapping[ChannelName, Channel] = {
    "phone": Channel(lambda site, device: f"wayside/v1/{site}/down/{device}/offer"),
    "reply": Channel(None),
}
"""Channel name -> how it publishes. The target of a phone is its device id."""

CREATIVE = "default"
"""The one wording of an offer; a campaign has no others yet."""


def offer_message(decision: str, offer: Offer, zone: str, expires_at_ms: int) -> dict[str, object]:
    """The fields of an offer in a message to a person, the same over each channel."""
    return {
        "decision": decision,
        "offer": offer.id,
        "zone": zone,
        "shop": offer.shop,
        "title": offer.title,
        "body": offer.body,
        "expires_at_ms": expires_at_ms,
    }
