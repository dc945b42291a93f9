"""Rows of the history log, as the gateway stores them and as an export states them."""

from __future__ import annotations

import msgspec

from gateway.core.attributes.aggregators import HistoryFact
from gateway.core.attributes.history import Stated
from gateway.core.types import Purpose


class ConsentFact(msgspec.Struct, frozen=True, tag="consent"):
    """A consent as history sees it: granted purposes and the stated values that were kept."""

    purposes: tuple[Purpose, ...]
    told: dict[str, Stated] = {}


class FoldedFact(msgspec.Struct, frozen=True, tag="fact"):
    """A fact and the time at which it was folded."""

    fact: HistoryFact


class LogRow(msgspec.Struct, frozen=True):
    """Fact `number` (from 1) of a person, folded at `at_ms`."""

    subject: str
    number: int
    at_ms: int
    body: ConsentFact | FoldedFact
