"""The closed set of what may leave a gateway; all that the cloud side knows of us.

Only `gateway.core.privacy` constructs these (a house test holds it to that); the dashboard reads them.
No free text, no coordinates, no time finer than the window, no id of a person or a device of theirs.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.core.ids import Id, RecordId
from gateway.core.types import AnswerKind

Amount = Annotated[int, Meta(ge=0, le=2**40)]
CellKind = Literal["trigger"] | AnswerKind


class CellCount(msgspec.Struct, frozen=True, tag="cell", tag_field="type", forbid_unknown_fields=True):
    """How often `kind` happened to `offer` in `zone` within one window.

    `window_start_ms` is a multiple of `window_ms` (an hour; a demonstration uses seconds).
    """

    id: RecordId
    gateway: Id
    window_start_ms: Annotated[int, Meta(ge=0)]
    window_ms: Annotated[int, Meta(gt=0, le=86_400_000)]
    zone: Id
    offer: Id
    kind: CellKind
    count: Amount


class GatewayHealth(msgspec.Struct, frozen=True, tag="health", tag_field="type", forbid_unknown_fields=True):
    """What a gateway did within one window, and what it still holds."""

    id: RecordId
    gateway: Id
    window_start_ms: Annotated[int, Meta(ge=0)]
    window_ms: Annotated[int, Meta(gt=0, le=86_400_000)]
    messages: Amount
    refused: Amount
    facts: Amount
    decisions: Amount
    triggers: Amount
    backlog: Amount


Record = CellCount | GatewayHealth


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One POST to `{cloud}/v1/batches`: gzip JSON, the same bytes at every retry of the same `batch`."""

    batch: RecordId
    gateway: Id
    records: tuple[Record, ...]


class Receipt(msgspec.Struct, frozen=True):
    """The 2xx answer: the ids of the records that the cloud holds now, from this try or an earlier one."""

    batch: str
    taken: tuple[str, ...]
