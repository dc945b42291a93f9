"""The closed set of records that may leave a gateway, shared with the dashboard.

Only `gateway.core.privacy` constructs them (a house test checks it). They hold no free text, no coordinates, no time finer than the
window, and no id of a person or of a person's device.
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
    """Number of events of a kind (trigger or answer) for an offer in a zone within one window.

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
    """Totals of a gateway's activity within one window; `backlog` is the number of records waiting to leave."""

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
    """Body of one POST to `{cloud}/v1/batches`, as gzip JSON; the bytes are the same at every retry of a `batch`."""

    batch: RecordId
    gateway: Id
    records: tuple[Record, ...]


class Receipt(msgspec.Struct, frozen=True):
    """Body of the 2xx response: ids of the records of the batch that the cloud has stored, at this try or an earlier one."""

    batch: str
    taken: tuple[str, ...]
