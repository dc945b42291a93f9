"""Channels: the ways in which an offer reaches a person. A new channel is one row of CHANNELS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from gateway.core.coupons import Coupon, Signer, issue

if TYPE_CHECKING:
    from gateway.core.creatives import Creative
    from gateway.core.offers import Offer, Policy

ChannelName = Literal["phone", "reply", "webhook", "screen", "page"]


class Channel(NamedTuple):
    """`topic(site, target)` is where a trigger for `target` is published, or None if it is not published.

    A trigger of a channel that `waits` is stored until it is delivered or expires; a reply to a request is not.
    """

    topic: Callable[[str, str], str] | None
    waits: bool = True


CHANNELS: Mapping[ChannelName, Channel] = {
    "phone": Channel(lambda site, device: f"wayside/v1/{site}/down/{device}/offer"),
    "reply": Channel(None, waits=False),
    "webhook": Channel(None),
    "screen": Channel(lambda site, screen: f"wayside/v1/{site}/screen/{screen}/offer", waits=False),
    "page": Channel(None, waits=False),
}
"""Channel name -> how it publishes. The target is the device id of the person's app, or of a screen; a page reads the decision log."""

PAGE_PREFIX = "#page."
"""Begins the device ids of pages. No topic may hold `#`, so no device that speaks MQTT has such an id."""


def is_page(device: str) -> bool:
    """Whether the device id is that of a person's page."""
    return device.startswith(PAGE_PREFIX)


def wording(offer: Offer, creative: str) -> Offer | Creative:
    """The wording of a name; the default, which is the offer's own, for a name that the offer does not have."""
    return next((one for one in offer.creatives if one.name == creative), offer)


def offer_message(decision: str, offer: Offer, creative: str, zone: str, expires_at_ms: int, coupon: str = "") -> dict[str, object]:
    """The fields of an offer in a message to a person, the same over each channel; `coupon` only with a code.

    `creative` is the name of the wording; one that the offer no longer has is replaced by the default.
    """
    shown = wording(offer, creative)
    body: dict[str, object] = {
        "decision": decision,
        "offer": offer.id,
        "zone": zone,
        "shop": offer.shop,
        "title": shown.title,
        "body": shown.body,
        "expires_at_ms": expires_at_ms,
    }
    return body | {"coupon": coupon} if coupon else body


def coupon_code(signer: Signer | None, decision: str, offer: Offer, policy: Policy, expires_at_ms: int) -> str:
    """The code of a proposed offer, the same for each message of it; empty for an offer without a coupon.

    `expires_at_ms` is the end of the message's own validity. The coupon ends with the reservation of the offer's budget: `expiry_hours`
    after the decision.
    """
    if signer is None or not offer.coupon:
        return ""
    decided_s = expires_at_ms // 1000 - policy.trigger_expiry_s
    return issue(Coupon(decision, offer.id, offer.shop, decided_s + int(offer.expiry_hours * 3_600)), signer)
