"""Rows of the decision log: the columns by which decisions are found, and a body with all the rest of a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.core.policy.decision import Candidate, Decision
from gateway.core.policy.gates import LOWER_RANK, NOT_WORTH_IT, Reason
from gateway.core.types import Occasion

if TYPE_CHECKING:
    from gateway.adapters.store.words import Words
    from gateway.core.site import Site

COLUMNS = "id, subject, zone, at_ms, reason, offer, arm, intended, steady_ms"
"""The columns that hold fields of a decision, in the order of `unpacked`; `body` follows."""

IS_CHOICE = "(offer IS NOT NULL OR intended IS NOT NULL)"
"""The decisions that are found by their id in an index; those for silence are found by their person."""


class _Body(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The fields of a decision that are no columns; a candidate is the tuple of its fields."""

    occasion: Occasion
    p_select: float
    model: str
    left_out: dict[Reason, int]
    facts: int
    columns: str
    policy: str
    seed: int
    slate: str
    position: int
    candidates: tuple[tuple[str, Reason, float | None, float | None, bytes, str], ...]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Body)
_FIELDS = _Body.__struct_fields__[:-1]


def packed(made: Decision, words: Words, expected: bytes) -> bytes:
    """The body of a decision, compressed with the bytes that are `expected` in it; written in the transaction that is open."""
    candidates = [(one.offer, one.reason, one.propensity, one.expected_value_minor, one.features, one.missing) for one in made.candidates]
    return words.packed(_ENCODER.encode([*[getattr(made, name) for name in _FIELDS], candidates]), expected)


def unpacked(row: tuple[Any, ...], words: Words) -> Decision:
    """The decision of a row of COLUMNS and `body`."""
    id_, subject, zone, at_ms, reason, offer, arm, intended, steady_ms, body = row
    rest = _DECODER.decode(words.unpacked(body))
    return Decision(
        id=id_,
        subject=subject,
        zone=zone,
        at_ms=at_ms,
        reason=reason,
        offer=offer,
        arm=arm,
        intended=intended,
        steady_ms=steady_ms,
        candidates=tuple(Candidate(*one) for one in rest.candidates),
        **{name: getattr(rest, name) for name in _FIELDS},
    )


def expected(site: Site, model: str = "") -> bytes:
    """The bytes that the bodies of a site's decisions repeat: names, and the fields of the offers. Nothing in it is about a person."""
    plan, campaign = site.plan, site.campaign
    candidates = [
        (offer, NOT_WORTH_IT.reason, None, None, row.astype("<f4", copy=False).tobytes(), "")
        for offer, row in zip(campaign.table.ids, plan.offer_rows(), strict=True)
    ]
    head = ["entered", 1.0, model, {}, 0, plan.digest, campaign.policy.digest, 0, "", 0]
    return _ENCODER.encode([LOWER_RANK.reason, "dwelled", *head, candidates])
