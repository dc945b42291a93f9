"""Redemptions of coupons: a set that only grows, so gateways that exchange redemptions in any order end with the same set.

A code that was redeemed twice has two redemptions. The earliest one stands, by the same rule at each gateway; the others are clashes.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from gateway.core.state.slices import SliceChanges
from gateway.core.types import Redemption


class Clash(msgspec.Struct, frozen=True):
    """Two redemptions of one code; the first one stands."""

    first: Redemption
    second: Redemption


class CouponsChanges(SliceChanges):
    """`redeemed` are new redemptions by decision; `heard` those of own tills, for other gateways; `clashes` are reported."""

    DURABLE: ClassVar[frozenset[str]] = frozenset({"redeemed"})
    VOLATILE: ClassVar[frozenset[str]] = frozenset({"heard", "clashes"})

    redeemed: dict[str, list[Redemption]] = msgspec.field(default_factory=dict)
    heard: list[Redemption] = msgspec.field(default_factory=list)
    clashes: list[Clash] = msgspec.field(default_factory=list)
