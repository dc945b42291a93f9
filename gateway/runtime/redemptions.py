"""Passes redemptions of coupons on to the other gateways of the site, on `wayside/v1/{site}/up/{gateway}/redeemed`.

New ones are published after the commit; those of coupons that have not ended are published again at every connect and every hour, so a
gateway or till that was absent knows all later. A receiver recognises a known redemption, so none counts twice.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from gateway.core import limits
from gateway.core.bus import Bus, Publication

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.core.ports import Store
    from gateway.core.site import Site
    from gateway.core.state import Changes
    from gateway.core.types import Redemption

log = logging.getLogger("wayside")


class RedemptionExchange:
    """Publishes redemptions at own tills. Used by the writer thread."""

    def __init__(self, site: Site, bus: Bus, boot: str) -> None:
        """`boot` is a fresh random id of this start."""
        self._site, self._bus, self._boot = site, bus, boot
        self._seq = 0
        self._repeat_at_ms = 0
        self._connects = 0

    def publish(self, changes: Changes) -> None:
        """Publish the new redemptions of a committed batch, and log the clashes with both places."""
        self._send(changes.coupons.heard)
        for clash in changes.coupons.clashes:
            first, second = clash.first, clash.second
            log.warning(
                "the coupon of %s was redeemed twice: at %s (%s, %d), which counts, and at %s (%s, %d)",
                first.decision,
                *(first.till, first.gateway, first.at_ms),
                *(second.till, second.gateway, second.at_ms),
            )

    def repeat(self, store: Store, now_ms: int) -> None:
        """Publish the redemptions of open coupons again, if there was a connect or an hour has passed."""
        connects = self._bus.link().connects
        if connects == self._connects and now_ms < self._repeat_at_ms:
            return
        self._connects, self._repeat_at_ms = connects, now_ms + limits.REDEMPTIONS_REPEAT_MS
        self._send(store.open_redemptions(self._site.gateway, now_ms))

    def _send(self, redemptions: Sequence[Redemption]) -> None:
        topic = f"wayside/v1/{self._site.name}/up/{self._site.gateway}/redeemed"
        for start in range(0, len(redemptions), limits.REDEMPTIONS_PER_MESSAGE_MAX):
            self._seq += 1
            part = redemptions[start : start + limits.REDEMPTIONS_PER_MESSAGE_MAX]
            rows = [
                {"decision": one.decision, "till": one.till, "sale": one.sale, "at_ms": one.at_ms, "expires_at_ms": one.expires_at_ms}
                for one in part
            ]
            payload = msgspec.json.encode({"v": 1, "boot": self._boot, "seq": self._seq, "redeemed": rows})
            self._bus.publish(Publication(topic, payload, qos=1))
