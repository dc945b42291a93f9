"""Ids have one rule, whether msgspec checks it (bundles, records) or pydantic does (settings)."""

from __future__ import annotations

import msgspec
import pytest

from gateway.core.ids import Id, RecordId, checked_id
from gateway.core.offers import Offer
from gateway.core.records import GatewayHealth, OfferCounts


@pytest.mark.parametrize("text", ["a", "7", "plaza-north_2", "x" * 64])
def test_ids(text: str) -> None:
    assert checked_id(text) == msgspec.convert(text, Id) == text


@pytest.mark.parametrize("text", ["", "Plaza", "-a", "_a", "a.b", "a b", "a/b", "ä", "٣", "a\n", "x" * 65])
def test_no_ids(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, Id)
    with pytest.raises(ValueError, match="is not an id"):
        checked_id(text)


def test_a_record_id_may_join_ids_by_dots() -> None:
    assert msgspec.convert("gw-a.1700000000000.3", RecordId) == "gw-a.1700000000000.3"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert("gw-a/3", RecordId)


@pytest.mark.parametrize(("struct", "field"), [(Offer, "id"), (Offer, "shop"), (OfferCounts, "offer"), (GatewayHealth, "gateway")])
def test_offers_and_records_use_it(struct: type[msgspec.Struct], field: str) -> None:
    fields = {one.encode_name: one.type for one in msgspec.inspect.type_info(struct).fields}  # type: ignore[attr-defined]
    assert fields[field] == msgspec.inspect.type_info(Id)
