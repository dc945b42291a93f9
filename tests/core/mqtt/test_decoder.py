"""Reading MQTT: known bytes, faults by statement of the specification, any division of a stream, and mutations of it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import limits
from gateway.core.bus import Publication
from gateway.core.mqtt import encoder
from gateway.core.mqtt.decoder import PACKET_BYTES_MAX, UNREADABLE, Decoder, Packet
from gateway.core.mqtt.packets import (
    PUBACK,
    PUBREC,
    PUBREL,
    SUBACK,
    UNSUBACK,
    Ack,
    ConnAck,
    Disconnect,
    PingResp,
    ProtocolFaultError,
    SubAck,
    Version,
)
from gateway.core.mqtt.properties import encode_properties, read_properties, read_varint, varint
from gateway.core.types import Message

NOW_MS = 1_800_000_000_000


def read(version: Version, data: bytes, alias_max: int = 8) -> list[Packet]:
    return Decoder(version, topic_alias_max=alias_max).feed(data, NOW_MS)


def published(version: Version, topic: str = "a/b", payload: bytes = b"x", qos: int = 0, packet_id: int = 7) -> bytes:
    return encoder.publish(version, Publication(topic, payload, qos=qos), packet_id)


# --- known bytes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        (2_097_151, "ffff7f"),
        (2_097_152, "80808001"),
        (268_435_455, "ffffff7f"),
    ],
)
def test_variable_byte_integers_of_table_1_1(value: int, encoded: str) -> None:
    assert varint(value) == bytes.fromhex(encoded)
    assert read_varint(bytes.fromhex(encoded), 0, len(encoded) // 2) == (value, len(encoded) // 2)


@pytest.mark.parametrize(
    ("version", "data", "packet"),
    [
        (4, "20020100", ConnAck(session_present=True, reason=0, properties={})),
        (4, "20020005", ConnAck(session_present=False, reason=5, properties={})),
        (5, "2003000000", ConnAck(session_present=False, reason=0, properties={})),
        (5, "200600 0003210014", ConnAck(session_present=False, reason=0, properties={"receive_maximum": 20})),
        (4, "40020007", Ack(PUBACK, 7, 0)),
        (5, "4003000787", Ack(PUBACK, 7, 0x87)),
        (5, "500400070000", Ack(PUBREC, 7, 0)),
        (4, "62020007", Ack(PUBREL, 7, 0)),
        (4, "900400070180", SubAck(SUBACK, 7, (1, 0x80))),
        (5, "90050007000187", SubAck(SUBACK, 7, (1, 0x87))),
        (4, "b0020007", SubAck(UNSUBACK, 7, ())),
        (5, "b0040007 0011", SubAck(UNSUBACK, 7, (0x11,))),
        (4, "d000", PingResp()),
        (5, "e000", Disconnect(0, {})),
        (5, "e0018e", Disconnect(0x8E, {})),
        (5, "e00a8e 08 1f0005 68656c6c6f", Disconnect(0x8E, {"reason_string": "hello"})),
        (4, "30050001 61 6869", Message("a", b"hi", NOW_MS)),
        (4, "3b 07 0001 61 0007 6869", Message("a", b"hi", NOW_MS, 1, 7, retained=True)),
        (5, "32 08 0001 61 0007 00 6869", Message("a", b"hi", NOW_MS, 1, 7)),
        (5, "30 0b 0001 61 05 02 0000003c 6869", Message("a", b"hi", NOW_MS)),
    ],
)
def test_packets_of_a_broker(version: Version, data: str, packet: Packet) -> None:
    assert read(version, bytes.fromhex(data)) == [packet]


def test_a_topic_alias_stands_for_the_topic_that_it_was_given_with() -> None:
    named, short = bytes.fromhex("3009 0001 61 03 230001 7878"), bytes.fromhex("3008 0000 03 230001 7979")
    assert read(5, named + short) == [Message("a", b"xx", NOW_MS), Message("a", b"yy", NOW_MS)]


def test_connect_in_both_versions() -> None:
    will = Publication("w", b"gone", qos=1, retain=True)
    made = encoder.connect(4, "gw", 30, username="u", password="p", will=will)
    assert made.hex() == "101d" + "00044d515454" + "04" + "ec" + "001e" + "00026777" + "000177" + "0004676f6e65" + "000175" + "000170"
    made = encoder.connect(5, "gw", 30, clean=True, properties={"receive_maximum": 20})
    assert made.hex() == "1012" + "00044d515454" + "05" + "02" + "001e" + "03210014" + "00026777"


# --- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "data", "statement"),
    [
        (4, "3605000161 6869", "[MQTT-3.3.1-4]"),
        (4, "3805000161 6869", "[MQTT-3.3.1-2]"),
        (4, "3207000161 0000 6869", "[MQTT-2.2.1-4]"),
        (4, "3004 0000 6869", "[MQTT-4.7.3-1]"),
        (5, "3005 0000 00 6869", "[MQTT-4.7.3-1]"),
        (4, "3003 0005 61", "section 3.3.2"),
        (4, "3001 00", "section 3.3.2"),
        (5, "3003 0001 61", "section 3.3.2"),
        (5, "3007 0001 61 0a 02 0000", "section 2.2.2.1"),
        (5, "3008 0001 61 05 02 000000", "section 2.2.2.1"),
        (5, "3007 0001 61 02 7f01 78", "section 2.2.2.2"),
        (5, "3008 0001 61 04 01000100", "section 2.2.2.2"),
        (5, "3008 0001 61 03 230000 78", "section 2.2.2.2"),
        (5, "3008 0000 03 23ffff 7979", "[MQTT-3.3.2-9]"),
        (5, "3008 0000 03 230002 7979", "section 3.3.4"),
        (4, "41020007", "[MQTT-2.1.3-1]"),
        (4, "60020007", "[MQTT-2.1.3-1]"),
        (4, "4001 00", "section 2.2.1"),
        (4, "40020000", "section 2.2.1"),
        (4, "4003000700", "section 2.1.4"),
        (4, "20020200", "[MQTT-3.2.2-1]"),
        (4, "2001 00", "section 3.2.2"),
        (4, "90020007", "section 3.9.3"),
        (4, "d00100", "section 3.13"),
        (4, "e000", "section 2.1.2"),
        (4, "0000", "section 2.1.2"),
        (4, "c000", "section 2.1.2"),
        (5, "1000", "section 2.1.2"),
        (5, "e0038e0100", "section 2.2.2.2"),
        (4, "30ffffffff7f", "section 1.5.5"),
        (4, "308000", "[MQTT-1.5.5-1]"),
        (4, "40ffffff7f", "[MQTT-3.1.2-24]"),
    ],
)
def test_a_faulty_packet_names_the_statement(version: Version, data: str, statement: str) -> None:
    with pytest.raises(ProtocolFaultError) as refused:
        read(version, bytes.fromhex(data))
    assert str(refused.value).startswith(statement)
    assert refused.value.reason >= 0x80


@pytest.mark.parametrize("topic", [b"a/\xff", b"a/\xed\xa0\x80", b"a/\x00", b"a/#", b"+"])
def test_a_topic_that_is_none_stands_for_itself_and_ends_no_connection(topic: bytes) -> None:
    body = len(topic).to_bytes(2, "big") + topic + b"\x00\x07hi"
    assert read(4, b"\x32" + varint(len(body)) + body) == [Message(UNREADABLE, b"hi", NOW_MS, 1, 7)]


def test_tickets_of_two_connections_differ() -> None:
    first, second = (Decoder(4, number << 16).feed(published(4, qos=1), NOW_MS) for number in (1, 2))
    assert [message.ticket for message in (*first, *second) if isinstance(message, Message)] == [(1 << 16) + 7, (2 << 16) + 7]


# --- size and division ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload_bytes", [limits.PAYLOAD_BYTES_MAX + 1, PACKET_BYTES_MAX + 1, 1_000_000])
@pytest.mark.parametrize("step", [1_000, 65_536, 10_000_000])
def test_a_packet_over_the_limit_is_skipped_and_can_be_acknowledged(payload_bytes: int, step: int) -> None:
    decoder, found = Decoder(4), list[Packet]()
    data = published(4, payload=bytes(payload_bytes), qos=1) + published(4, payload=b"next")
    for start in range(0, len(data), step):
        found += decoder.feed(data[start : start + step], NOW_MS)
        assert len(decoder._rest) <= max(step, PACKET_BYTES_MAX) + 8, "a packet that is too large is kept"
    large, following = found
    assert isinstance(large, Message)
    assert (large.topic, large.ticket, len(large.payload)) == ("a/b", 7, limits.PAYLOAD_BYTES_MAX + 1)
    assert following == Message("a/b", b"next", NOW_MS)


def test_the_largest_allowed_payload_is_read() -> None:
    payload = bytes(limits.PAYLOAD_BYTES_MAX)
    assert read(5, published(5, payload=payload)) == [Message("a/b", payload, NOW_MS)]


def stream(version: Version, draws: random.Random, packets: int) -> bytes:
    """Some packets that a broker may send."""
    others = [b"\xd0\x00", encoder.acknowledgements(PUBACK, [9]), encoder.acknowledgements(PUBREL, [9])]
    others += [b"\x20\x02\x00\x00"] if version == 4 else [b"\x20\x06\x00\x00\x03\x21\x00\x14"]
    made = b""
    for _ in range(packets):
        topic, qos = f"t/{draws.randrange(40)}", draws.randrange(3)
        expiry = draws.choice((None, 60)) if version == 5 else None
        payload = draws.randbytes(draws.choice((0, 1, 30, 200)))
        made += encoder.publish(
            version, Publication(topic, payload, qos=qos, retain=draws.random() < 0.2, expiry_s=expiry), draws.randrange(1, 65_536)
        )
        made += draws.choice(others) if draws.random() < 0.3 else b""
    return made


@pytest.mark.parametrize("version", [4, 5])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 4_000), max_size=30))
def test_any_division_of_a_stream_gives_the_same_packets(version: Version, seed: int, cuts: list[int]) -> None:
    data = stream(version, random.Random(seed), 20)  # noqa: S311 - a seeded test
    decoder, found, start = Decoder(version), list[Packet](), 0
    for cut in sorted(cuts):
        found += decoder.feed(data[start:cut], NOW_MS)
        start = max(start, cut)
    found += decoder.feed(data[start:], NOW_MS)
    assert found == read(version, data)
    assert len(found) >= 20
    assert decoder._rest == b""


@pytest.mark.parametrize("version", [4, 5])
def test_a_stream_that_stops_anywhere_is_no_fault(version: Version) -> None:
    data = stream(version, random.Random(3), 30)  # noqa: S311 - a seeded test
    whole = read(version, data)
    for end in range(len(data)):
        assert read(version, data[:end]) == whole[: len(read(version, data[:end]))]


def mutated(version: Version, seed: int, count: int) -> tuple[int, int]:
    """Read streams with flipped, inserted and deleted bytes: the number of faults, and of streams that were read to the end."""
    draws = random.Random(seed)  # noqa: S311 - a seeded test
    faults = fine = 0
    for _ in range(count):
        data = bytearray(stream(version, draws, 3))
        for _ in range(draws.randrange(1, 4)):
            at = draws.randrange(len(data))
            match draws.randrange(3):
                case 0:
                    data[at] = draws.randrange(256)
                case 1:
                    data.insert(at, draws.randrange(256))
                case _:
                    del data[at]
        try:
            for packet in read(version, bytes(data)):
                assert not isinstance(packet, Message) or (packet.topic and len(packet.payload) <= limits.PAYLOAD_BYTES_MAX + 1)
            fine += 1
        except ProtocolFaultError:
            faults += 1
    return faults, fine


@pytest.mark.parametrize("version", [4, 5])
def test_mutated_streams_give_packets_or_a_fault(version: Version) -> None:
    faults, fine = mutated(version, 5, 3_000)
    assert min(faults, fine) > 300, "nearly all mutations had the same result"


@pytest.mark.soak
@pytest.mark.parametrize("version", [4, 5])
def test_half_a_million_mutated_streams_give_packets_or_a_fault(version: Version) -> None:
    assert sum(mutated(version, 6, 500_000)) == 500_000


def test_properties_survive_their_bytes() -> None:
    properties = {"message_expiry_interval": 60, "topic_alias": 3, "content_type": "text/plain", "correlation_data": b"\x00\xff"}
    properties |= {"user_property": [("a", "b"), ("a", "c")], "subscription_identifier": [200, 1]}
    made = encode_properties(3, properties)
    assert read_properties(3, made, 0, len(made)) == (properties, len(made))
    with pytest.raises(ValueError, match="not a property of packet type 3"):
        encode_properties(3, {"receive_maximum": 1})
