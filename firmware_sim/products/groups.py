"""Devices with firmware in a scenario: `[[devices]]`, a number of devices of one product in a zone."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from firmware_sim.checked import Checked
from firmware_sim.nearest import nearest
from firmware_sim.products.catalogue import CATALOGUE


def _known(product: str) -> str:
    if product not in CATALOGUE:
        raise ValueError(f"no product {product!r}; {nearest(product, CATALOGUE)}")
    return product


Rate = Annotated[float, Field(ge=0, le=3600)]
ProductName = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(CATALOGUE)})]


class Group(Checked):
    """`count` devices of one product, numbered from `first`. Unset fields keep the product's traits."""

    product: ProductName
    zone: str
    count: Annotated[int, Field(ge=1, le=100_000)] = 1
    first: Annotated[int, Field(ge=1)] = 1
    every_ms: Annotated[int, Field(ge=50)] | None = None
    crashes_per_hour: Rate | None = None
    hangs_per_hour: Rate | None = None
    update_at_s: Annotated[float, Field(ge=0)] | None = None
