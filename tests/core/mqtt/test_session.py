"""One connection of a client: packet ids, receive maximum, acknowledgements in both directions, and QoS 2."""

from __future__ import annotations

import pytest

from gateway.core.bus import Publication
from gateway.core.mqtt import encoder
from gateway.core.mqtt.packets import PUBACK, PUBCOMP, PUBREC, PUBREL, ProtocolFaultError
from gateway.core.mqtt.session import QUEUED_MAX, Session
from gateway.core.types import Message

NOW_MS = 1_800_000_000_000
CONNACK_5 = bytes.fromhex("2003000000")


def connected(connack: bytes = CONNACK_5) -> Session:
    session = Session(5, 3)
    assert not session.is_connected
    assert session.feed(connack, NOW_MS).connack is not None
    return session


def said(token: str = "", qos: int = 1) -> Publication:
    return Publication("out/a", b"x", qos=qos, token=token)


def packet_id(packet: bytes | None) -> int:
    assert packet is not None
    return packet[9] << 8 | packet[10]


def test_a_token_is_taken_with_its_acknowledgement() -> None:
    session = connected()
    first, second = (packet_id(session.publish(said(token))) for token in ("a", "b"))
    assert first != second
    assert session.is_waiting
    assert session.feed(encoder.acknowledgements(PUBACK, [second]), NOW_MS).taken == ["b"]
    assert session.feed(encoder.acknowledgements(PUBACK, [second]), NOW_MS).taken == []
    assert session.feed(encoder.acknowledgements(PUBACK, [first]), NOW_MS).taken == ["a"]
    assert not session.is_waiting


def test_a_refused_publication_is_not_sent_again_and_reported() -> None:
    session = connected()
    refused = packet_id(session.publish(said("a")))
    received = session.feed(b"\x40\x03" + refused.to_bytes(2, "big") + b"\x87", NOW_MS)
    assert (received.taken, received.refused) == (["a"], 0x87)


def test_no_more_publications_are_in_flight_than_the_broker_allows() -> None:
    session = connected(bytes.fromhex("2006000003210002"))
    sent = [session.publish(said(f"t{number}")) for number in range(5)]
    assert [bool(packet) for packet in sent] == [True, True, False, False, False]
    assert session.publish(said(qos=0)), "QoS 0 is not counted"
    received = session.feed(encoder.acknowledgements(PUBACK, [packet_id(sent[0])]), NOW_MS)
    assert received.taken == ["t0"]
    assert received.answer[0] >> 4 == 3, "the next publication follows"
    taken = ["t0"]
    for number in range(2, 6):
        taken += session.feed(encoder.acknowledgements(PUBACK, [number]), NOW_MS).taken
    assert taken == [f"t{number}" for number in range(5)]
    assert not session.is_waiting


def test_the_queue_of_publications_is_bounded() -> None:
    session = connected(bytes.fromhex("2006000003210001"))
    assert session.publish(said())
    assert all(session.publish(said()) == b"" for _ in range(QUEUED_MAX))
    assert session.publish(said()) is None


def test_a_packet_over_the_limit_of_the_broker_is_not_sent() -> None:
    session = connected(bytes.fromhex("2008000005 2700000014"))
    assert session.publish(Publication("out/a", b"x" * 5, qos=1))
    assert session.publish(Publication("out/a", b"x" * 50, qos=1)) is None


def test_packet_ids_in_use_are_skipped() -> None:
    session = connected()
    waiting = packet_id(session.publish(said("old")))
    for _ in range(65_534):
        one = packet_id(session.publish(said()))
        assert one != waiting
        session.feed(encoder.acknowledgements(PUBACK, [one]), NOW_MS)
    assert packet_id(session.publish(said())) != waiting


def test_messages_of_another_connection_are_not_acknowledged() -> None:
    session = connected()
    (message,) = session.feed(encoder.publish(5, Publication("in/a", b"x", qos=1), 7), NOW_MS).messages
    assert session.acknowledge([message]) == bytes.fromhex("40020007")
    assert Session(5, 4).acknowledge([message]) == b""
    assert session.acknowledge([Message("in/a", b"x", NOW_MS)]) == b"", "QoS 0"


def test_a_message_of_qos_2_is_delivered_once() -> None:
    session = connected()
    packet = encoder.publish(5, Publication("in/a", b"x", qos=2), 7)
    (message,) = session.feed(packet, NOW_MS).messages
    assert session.acknowledge([message]) == encoder.acknowledgements(PUBREC, [7])
    again = session.feed(packet, NOW_MS)
    assert (again.messages, again.answer) == ([], encoder.acknowledgements(PUBREC, [7]))
    assert session.feed(encoder.acknowledgements(PUBREL, [7]), NOW_MS).answer == encoder.acknowledgements(PUBCOMP, [7])
    assert len(session.feed(packet, NOW_MS).messages) == 1, "the packet id is free after PUBREL"


def test_a_publication_of_qos_2_is_taken_with_the_last_step() -> None:
    session = connected()
    sent = packet_id(session.publish(said("a", qos=2)))
    received = session.feed(encoder.acknowledgements(PUBREC, [sent]), NOW_MS)
    assert (received.taken, received.answer) == ([], encoder.acknowledgements(PUBREL, [sent]))
    assert session.feed(encoder.acknowledgements(PUBCOMP, [sent]), NOW_MS).taken == ["a"]


def test_denied_filters_are_named() -> None:
    session = connected()
    session.subscribe([("open/#", 1), ("closed/#", 1)])
    assert session.feed(bytes.fromhex("9005 0001 00 0187"), NOW_MS).denied == ["closed/#"]
    session.subscribe([("a", 0), ("b", 0)])
    with pytest.raises(ProtocolFaultError, match="1 reasons for 2 filters"):
        session.feed(bytes.fromhex("9004 0002 00 00"), NOW_MS)


def test_a_ping_without_answer_is_overdue() -> None:
    session = connected()
    assert (session.ping(), session.is_ping_overdue) == (b"\xc0\x00", True)
    session.feed(b"\xd0\x00", NOW_MS)
    assert not session.is_ping_overdue


def test_the_keep_alive_of_the_broker_is_taken() -> None:
    assert connected(bytes.fromhex("2006000003130005")).keepalive_s == 5
    assert connected().keepalive_s is None


def test_an_authentication_that_was_not_begun_is_a_fault() -> None:
    with pytest.raises(ProtocolFaultError, match="AUTH"):
        connected().feed(bytes.fromhex("f000"), NOW_MS)
