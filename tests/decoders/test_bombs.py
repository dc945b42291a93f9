"""Payloads made to be expensive: nested, long, huge, with false lengths. Each is refused or read at a bounded cost."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from gateway.core import limits
from gateway.core.types import Message
from gateway.decoders.conformance.wellformed import fault_of
from gateway.decoders.contract import DecodeError
from gateway.decoders.registry import load
from tests.decoders.formats import FORMATS, cases_of

TWO_MEGABYTES = 2_000_000
PEAK_BYTES_MAX = 8_000_000  # of memory while one such payload is decoded, without the payload itself
FULL = limits.PAYLOAD_BYTES_MAX - 64


def _json(value: str) -> list[bytes]:
    """`value` alone, and where formats look for a field."""
    keys = ("data", "payload", "object", "params", "id", "tags", "value", "_type", "rssi", "temperature", "entity", "uplink_message")
    return [value.encode(), f"[{value}]".encode(), *(f'{{"{key}":{value}}}'.encode() for key in keys)]


BOMBS: dict[str, list[bytes]] = {
    "arrays in arrays": [b"[" * 30_000, b"[" * 30_000 + b"]" * 30_000, b'{"data":' * 8_000 + b"1" + b"}" * 8_000],
    "as deep as is allowed": _json("[" * 30 + "]" * 30),
    "a long text": _json(f'"{"x" * TWO_MEGABYTES}"'),
    "a text of the most that is read": _json(f'"{"x" * (FULL - 64)}"'),
    "quotes that are escaped": _json('"' + '\\"' * (FULL // 2 - 64) + '"'),
    "a huge number": _json("9" * 60_000) + _json("-" + "9" * 4_000) + _json("1e" + "9" * 400) + _json("0." + "0" * 50_000 + "1"),
    "one key again and again": [b"{" + b",".join(b'"a":1' for _ in range(10_000)) + b"}"],
    "ten thousand keys": [b"{" + b",".join(b'"k%d":{}' % number for number in range(5_000)) + b"}"],
    "thousands of small elements": [b"[" + b",".join(b"{}" for _ in range(20_000)) + b"]", b"[" + b",".join([b"0"] * 30_000) + b"]"],
    "nothing but blanks": [b" " * FULL, b"\n" * FULL],
    "zeros": [bytes(FULL), bytes(TWO_MEGABYTES)],
    "elements in elements": [b"<a>" * 9_000 + b"</a>" * 9_000, b"<DevEUI_uplink>" * 2_000],
    "entities": [b'<!DOCTYPE a [<!ENTITY b "' + b"b" * 1_000 + b'"><!ENTITY c "' + b"&b;" * 1_000 + b'">]><a>&c;</a>'],
    "CBOR that promises a long array": [b"\x9b" + b"\xff" * 8, b"\x9a\x7f\xff\xff\xff\xa0", b"\x81" * 30_000, b"\x9f" * 30_000],
    "CBOR that promises a long text": [b"\x7b" + b"\xff" * 8, b"\x5a\x7f\xff\xff\xff", b"\xc2\x59\xff\xf0" + b"\xff" * 60_000],
    "protobuf that promises a long field": [b"\x12\xff\xff\xff\xff\x07", b"\x12\x02\x4a\x00" * 10_000, b"\x13" * 30_000],
    "binary gateways' counts": [
        b"\xbb\x01" + FULL.to_bytes(4, "big") + bytes(6) + b"\xff\xff" + b"\xff" * (FULL - 14),
        b"\x10" + FULL.to_bytes(2, "big") + b"\x02" + b"\xff" * (FULL - 4),
    ],
    "lines": [b"$GPRP,A,B,-1,00\n" * 4_000, b"," * FULL, b"\n,\n" * 20_000],
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("bomb", BOMBS)
def test_it_is_refused_or_read_and_costs_little_memory(form: str, bomb: str) -> None:
    cases = cases_of(form)
    topics = sorted({case.message.topic for case in cases})[:: max(1, len(cases) // 3)]
    load(form).decode(next(case.message for case in cases if isinstance(case.expected, list)))  # imports on first use are not counted
    answers = 0
    tracemalloc.start()
    try:
        for payload in BOMBS[bomb]:
            for topic in topics:
                answers += _is_answered(form, Message(topic, payload, 0))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answers == len(BOMBS[bomb]) * len(topics)
    assert peak_bytes <= PEAK_BYTES_MAX


def _is_answered(form: str, message: Message) -> bool:
    try:
        observations = load(form).decode(message)
    except DecodeError:
        return True
    return all(fault_of(one) is None for one in observations)


@pytest.mark.parametrize("form", ["actility_thingpark", "senml_xml"])
@pytest.mark.parametrize("depth", [limits.JSON_DEPTH_MAX + 1, 1_000, 5_000])
def test_xml_is_no_deeper_than_any_format_needs(form: str, depth: int) -> None:
    with pytest.raises(DecodeError) as refusal:
        load(form).decode(Message("", b"<a>" * depth + b"</a>" * depth, 0))
    assert refusal.value.reason == "too_large"


def test_a_reader_without_a_bound_on_the_payload_is_caught() -> None:
    tracemalloc.start()
    try:
        json.loads("[" + "{}," * (TWO_MEGABYTES // 3) + "{}]")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes > PEAK_BYTES_MAX
