"""Columns of the history format: name, type, whether the value is required, and the condition on it.

A row is refused for its first fault, in the order of the columns: `no_<column>` if a required value is missing, `bad_<column>` if the
value is not valid for the column. Empty means "not stated", never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from gateway.core import limits
from gateway.core.types import AnswerKind

InteractionType = Literal["visit", "proposed", "silent", "shown", "opened", "accepted", "dismissed", "redeemed", "purchase"]
TableName = Literal["interactions", "baskets"]

FEATURE_PREFIX = "f_"


class Column(NamedTuple):
    """One column. `fits` is an SQL condition on the value, written `{v}`; `note` describes the content."""

    name: str
    type: Literal["VARCHAR", "BIGINT", "DOUBLE"]
    note: str
    required: bool = False
    fits: str = "true"


def _one_of(words: tuple[str, ...]) -> str:
    return f"{{v}} IN ({', '.join(repr(word) for word in words)})"


_SHORT = f"length({{v}}) <= {limits.TEXT_CHARS_MAX}"
_TIME = f"{{v}} > 0 AND {{v}} < {limits.CLOCK_CEILING_MS}"
_SHARE = "{v} >= 0 AND {v} <= 1"
_MONEY = "abs({v}) <= 1000000000000"

_INTERACTIONS = (
    Column("subject", "VARCHAR", "pseudonym, valid in this export only", required=True, fits=_SHORT),
    Column("at_ms", "BIGINT", "milliseconds since 1970-01-01 UTC", required=True, fits=_TIME),
    Column("what", "VARCHAR", "type of interaction", required=True, fits=_one_of(get_args(InteractionType))),
    Column("zone", "VARCHAR", "zone of the interaction", fits=_SHORT),
    Column("kind", "VARCHAR", "kind of the zone, or category of the offer or purchase", fits=_SHORT),
    Column("offer", "VARCHAR", "offer that was proposed", fits=_SHORT),
    Column("decision", "VARCHAR", "code of a proposal, repeated in its answers", fits=_SHORT),
    Column("amount_minor", "BIGINT", "money in minor units", fits=_MONEY),
    Column("dwell_s", "DOUBLE", "length of a visit in seconds", fits="{v} >= 0"),
    Column("confidence", "DOUBLE", "confidence of the presence, 0 to 1", fits=_SHARE),
    Column("propensity", "DOUBLE", "modelled probability that the offer is taken", fits=_SHARE),
    Column("p_select", "DOUBLE", "probability that the policy chose the offer", fits="{v} > 0 AND {v} <= 1"),
    Column("facts", "BIGINT", "number of facts in facts.jsonl that the scored attributes rest on", fits="{v} >= 0"),
    Column(
        "arm", "VARCHAR", "sent, or held_out for a person without offers; empty without a chosen offer", fits=_one_of(("sent", "held_out"))
    ),
    Column("intended", "VARCHAR", "offer that was chosen, sent or not", fits=_SHORT),
    Column("policy", "VARCHAR", "version of the policy that chose", fits=_SHORT),
)
_BASKETS = (
    Column("subject", "VARCHAR", "pseudonym, valid in this export only", required=True, fits=_SHORT),
    Column("at_ms", "BIGINT", "milliseconds since 1970-01-01 UTC", required=True, fits=_TIME),
    Column("basket", "VARCHAR", "code of one purchase", required=True, fits=_SHORT),
    Column("item", "VARCHAR", "item bought", required=True, fits=_SHORT),
    Column("quantity", "DOUBLE", "number of pieces", fits=_MONEY),
    Column("amount_minor", "BIGINT", "money of the row in minor units", fits=_MONEY),
)

COLUMNS: Mapping[TableName, tuple[Column, ...]] = {"interactions": _INTERACTIONS, "baskets": _BASKETS}

ALTERNATIVES: Mapping[str, str] = {
    "at": "date and time as text, UTC, instead of at_ms",
    "amount": "money in major units, instead of amount_minor",
    "price": "money in major units for one piece, instead of amount_minor; needs quantity",
}
"""Columns that a foreign table may have instead of one of these."""

ANSWERS: tuple[str, ...] = get_args(AnswerKind)
_NEED_DECISION = ("proposed", *ANSWERS)

ROW_RULES: Mapping[TableName, tuple[tuple[str, str], ...]] = {
    "interactions": (("no_decision", f"decision IS NULL AND what IN ({', '.join(map(repr, _NEED_DECISION))})"),),
    "baskets": (("returned", "quantity <= 0"), ("negative_amount", "amount_minor < 0")),
}
"""Faults that concern several columns of a row: reason, SQL condition."""
