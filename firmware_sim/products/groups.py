"""Devices with firmware in a scenario: `[[devices]]`, a number of devices of one product in a zone."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Rate = Annotated[float, Meta(ge=0, le=3600)]


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`count` devices of one product, numbered from `first`. Unset fields keep the product's traits."""

    product: str
    zone: str
    count: Annotated[int, Meta(ge=1, le=100_000)] = 1
    first: Annotated[int, Meta(ge=1)] = 1
    every_ms: Annotated[int, Meta(ge=50)] | None = None
    crashes_per_hour: Rate | None = None
    hangs_per_hour: Rate | None = None
    update_at_s: Annotated[float, Meta(ge=0)] | None = None
