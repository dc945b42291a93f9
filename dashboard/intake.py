"""The body of a POST as a batch, with a limit at every step.

The body is decompressed while it arrives, and reading stops at the first byte over a limit, so a zip
bomb occupies at most `TEXT_BYTES_MAX`. msgspec's messages may quote the input, so only the path is
taken from them, and only if it consists of field names of the schema and indices.
"""

from __future__ import annotations

import asyncio
import math
import re
import zlib

import msgspec
from starlette.requests import ClientDisconnect, Request

from dashboard import limits
from dashboard.refusals import Refused
from gateway.core.records import OUTCOMES, Batch, ControlCounts, GatewayHealth, HourCounts, Noise, OfferCounts, Record, VisitorCounts

QUARTER_MS = 900_000
_SHAPES = (Batch, HourCounts, OfferCounts, ControlCounts, VisitorCounts, GatewayHealth, Noise)
_NAMES = sorted({name for shape in _SHAPES for name in shape.__struct_fields__} | {"type"})
_FIELD = "|".join(_NAMES)
_PLACE = re.compile(rf" - at `(\$(?:\.(?:{_FIELD})|\[\d{{1,9}}\])*)`\Z")
_MISSING = re.compile(rf"\AObject missing required field `({_FIELD})`")

_BEGINNINGS = {
    "Object contains unknown field": "has a field that is not in the schema",
    "Expected `str` matching": "is not a valid id",
    "Expected": "has a wrong type or is out of range",
    "Integer value out of range": "has a wrong type or is out of range",
}


class Inflater:
    """Decompresses gzip in pieces; its memory is limited to `TEXT_BYTES_MAX`."""

    def __init__(self) -> None:
        self._gzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self._text = bytearray()
        self._body_bytes = 0

    def feed(self, piece: bytes) -> None:
        """Add the next piece of the body. Raises Refused: 413 over a limit, 422 if it is not gzip."""
        self._body_bytes += len(piece)
        if self._body_bytes > limits.BODY_BYTES_MAX:
            raise Refused(413, f"the body is larger than {limits.BODY_BYTES_MAX} bytes; send smaller batches")
        try:
            self._text += self._gzip.decompress(piece, limits.TEXT_BYTES_MAX + 1 - len(self._text))
        except zlib.error as fault:
            raise Refused(422, "the body is not gzip") from fault
        if len(self._text) > limits.TEXT_BYTES_MAX:
            raise Refused(413, f"the decompressed body is larger than {limits.TEXT_BYTES_MAX} bytes; send smaller batches")
        if self._gzip.unused_data:
            raise Refused(422, "there are bytes after the end of the gzip body")

    def text(self) -> bytes:
        """The whole text. Raises Refused (422) if the body ended early."""
        if not self._gzip.eof:
            raise Refused(422, "the gzip body is empty or cut off")
        return bytes(self._text)


async def read_text(request: Request) -> bytes:
    """The decompressed body of `request`. Raises Refused: 413 or 422 for its content, 415 if not gzip, 408 if slow, 400 if cut off."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limits.BODY_BYTES_MAX:
        raise Refused(413, f"the body is larger than {limits.BODY_BYTES_MAX} bytes; send smaller batches")
    if request.headers.get("content-encoding", "gzip").strip().lower() != "gzip":
        raise Refused(415, "the body must be JSON in gzip (Content-Encoding: gzip)")
    inflater = Inflater()
    try:
        async with asyncio.timeout(limits.BODY_S_MAX):
            async for piece in request.stream():
                if piece:
                    inflater.feed(piece)
    except TimeoutError as fault:
        raise Refused(408, f"the body did not arrive within {limits.BODY_S_MAX:.0f} s") from fault
    except ClientDisconnect as fault:
        raise Refused(400, "the connection was closed before the end of the body") from fault
    return inflater.text()


def decode(text: bytes, gateway: str) -> Batch:
    """The batch in `text`. Raises Refused: 422 for a wrong shape, 413 for too many records, 403 unless all of it is of `gateway`."""
    try:
        batch = msgspec.json.decode(text, type=Batch)
    except msgspec.ValidationError as fault:
        raise Refused(422, _shape_line(str(fault))) from fault
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Refused(422, "the body is not valid JSON in UTF-8") from fault
    except RecursionError as fault:
        raise Refused(422, "the JSON is nested too deeply") from fault
    if len(batch.records) > limits.RECORDS_PER_BATCH_MAX:
        raise Refused(413, f"more than {limits.RECORDS_PER_BATCH_MAX} records in one batch; send smaller batches")
    if batch.gateway != gateway or any(record.gateway != gateway for record in batch.records):
        raise Refused(403, "the batch is of another gateway than the token")
    for index, record in enumerate(batch.records):
        _check_window(index, record)
        if not isinstance(record, GatewayHealth) and not isinstance(record, ControlCounts):
            _check_counts(index, record)
    return batch


def _shape_line(fault: str) -> str:
    place = _PLACE.search(fault)
    where = place.group(1) if place else "$"
    missing = _MISSING.match(fault)
    if missing:
        return f"wrong shape: {where} lacks the field {missing.group(1)}"
    for beginning, problem in _BEGINNINGS.items():
        if fault.startswith(beginning):
            return f"wrong shape: {where} {problem}"
    return f"wrong shape: {where} is not one of the allowed values"


def _check_window(index: int, record: Record) -> None:
    # Midnight is at a multiple of a quarter of an hour everywhere. A start that fits neither it nor the length would reveal a finer time.
    if record.window_start_ms % math.gcd(record.window_ms, QUARTER_MS):
        raise Refused(422, f"wrong shape: $.records[{index}].window_start_ms is not at a whole window_ms after a midnight")
    if record.window_start_ms > limits.WINDOW_START_MS_MAX:
        raise Refused(422, f"wrong shape: $.records[{index}].window_start_ms is after the year 2100; check the gateway's clock")


def _check_counts(index: int, record: HourCounts | OfferCounts | VisitorCounts) -> None:
    cells, places = 1, len(record.zones)
    if type(record) is OfferCounts:
        cells, places = len(OUTCOMES), 1 if record.sums_zones else places
    if len(record.counts) != cells * places:
        raise Refused(422, f"wrong shape: $.records[{index}].counts does not have {cells} for each of its zones")
    if len(set(record.zones)) != len(record.zones):
        raise Refused(422, f"wrong shape: $.records[{index}].zones has a zone twice")
