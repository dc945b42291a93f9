"""A load generator: sightings at a rate or as fast as the broker takes them, or an exact number of facts.

It must cost little, because the machine that it measures is often the machine on which it runs: payloads are prepared before the
first one is sent, and only sequence number and time are filled in later. The sightings are of phones that have consented
just before, so that a gateway must process them all.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from itertools import cycle
from typing import NamedTuple

from firmware_sim.devices import ble, espresense
from firmware_sim.devices.wayside_v1 import Encoder
from firmware_sim.draws import generator
from firmware_sim.message import Message
from firmware_sim.scenario import Scenario
from firmware_sim.wire.broker import Broker
from firmware_sim.wire.publisher import Publisher

TICK_S = 0.005
BURST_MAX = 500
UNACKNOWLEDGED_MAX = 1_000  # facts
VARIANTS = 16  # signal strengths per phone
SEQ_MARK = b'"seq":0,"at_ms":0'


class Key(NamedTuple):
    """Identity of a fact: a gateway counts two messages with the same key once."""

    device: str
    boot: str
    seq: int


class Result(NamedTuple):
    """Numbers of published and acknowledged messages, duration, and the keys of the acknowledged facts."""

    published: int
    acked: int
    seconds: float
    keys: list[Key]


class Template(NamedTuple):
    """A Wayside v1 message without its sequence number and time."""

    topic: str
    head: bytes
    tail: bytes

    def filled(self, seq: int, at_ms: int) -> bytes:
        """The payload with this sequence number and time (UTC milliseconds)."""
        return b'%b"seq":%d,"at_ms":%d%b' % (self.head, seq, at_ms, self.tail)


def template(message: Message) -> Template:
    """Template of a Wayside v1 message that has `seq` 0 and `at_ms` 0."""
    head, _, tail = message.payload.partition(SEQ_MARK)
    return Template(message.topic, head, tail)


def new_boot() -> str:
    """A random boot id, so that no gateway takes the messages for repetitions of an earlier flood."""
    return f"flood-{secrets.token_hex(6)}"


def sightings(scenario: Scenario, broker: Broker, *, seconds: float, rate: float | None, phones: int, boot: str) -> Result:
    """Publish QoS 0 sightings for `seconds`: `rate` a second, or (None) as many as the broker takes."""
    publisher = _connect(broker)
    for message in _consents(scenario, phones, boot):
        publisher.publish(message.topic, message.payload, 1, retain=False)
    while publisher.pending:
        publisher.exchange(TICK_S)
    stream = _sightings(scenario, phones, boot)
    begin, sent, elapsed = time.monotonic(), 0, 0.0
    while elapsed < seconds or (rate is not None and sent < int(rate * seconds)):
        burst = BURST_MAX if rate is None else min(BURST_MAX, int(rate * min(elapsed, seconds)) - sent)
        for _ in range(burst):
            topic, payload = next(stream)
            publisher.publish(topic, payload, 0, retain=False)
        sent += burst
        publisher.exchange(0.0 if burst == BURST_MAX else TICK_S)
        while publisher.waiting:  # the broker is slower than the flood
            publisher.exchange(TICK_S)
        elapsed = time.monotonic() - begin
    publisher.close()
    return Result(sent, phones, elapsed, [])


def facts(scenario: Scenario, broker: Broker, *, count: int, rate: float | None, seconds: float, boot: str) -> Result:
    """Publish `count` purchases at QoS 1; returns when all are acknowledged or `seconds` have passed."""
    publisher = _connect(broker)
    stream = _purchases(scenario, boot)
    unacknowledged: dict[int, Key] = {}  # by packet id
    acked: list[Key] = []
    begin, sent, elapsed = time.monotonic(), 0, 0.0
    while len(acked) < count and elapsed < seconds:
        allowed = count if rate is None else min(count, int(rate * elapsed))
        for _ in range(min(allowed - sent, UNACKNOWLEDGED_MAX - len(unacknowledged))):
            key, topic, payload = next(stream)
            unacknowledged[publisher.publish(topic, payload, 1, retain=False)] = key
            sent += 1
        publisher.exchange(TICK_S)
        acked += [unacknowledged.pop(packet_id) for packet_id in list(unacknowledged) if packet_id not in publisher.pending]
        elapsed = time.monotonic() - begin
    publisher.close()
    return Result(sent, len(acked), elapsed, acked)


def _connect(broker: Broker) -> Publisher:
    return Publisher(broker, f"wayside-sim-flood-{os.getpid()}", broker.username)


def _beacon(scenario: Scenario, number: int) -> ble.IBeacon:
    power = round(scenario.radio.rssi_1m_dbm)
    return ble.IBeacon(scenario.phones.app_uuid, 1000 + number // 1000, number % 1000, power)


def _consents(scenario: Scenario, phones: int, boot: str) -> Iterator[Message]:
    """Consent of every phone to all purposes."""
    for number in range(1, phones + 1):
        encoder = Encoder(scenario.site, f"phone-{number:04d}", f"{boot}-consent")
        tags = [_beacon(scenario, number).canonical]
        visits: dict[str, float] = {kind: float(number % 7) for kind in scenario.tastes}
        yield encoder.consent(None, ("presence", "offers", "learning", "measurement"), tags, visits)


def _sightings(scenario: Scenario, phones: int, boot: str) -> Iterator[tuple[str, bytes]]:
    """Topics and payloads without end, in turn: a scanner's sighting of a phone, a phone's sighting of a beacon."""
    nodes = [scanner.id for scanner in scenario.scanners if scanner.format == espresense.FORMAT]
    draws = generator(0, "flood")
    of_scanners: list[Message] = []
    of_phones: list[Template] = []
    for variant in range(VARIANTS):
        for number in range(1, phones + 1):
            rssi = draws.uniform(-72.0, -52.0)
            advert = ble.ibeacon(ble.private_address(draws), _beacon(scenario, number))
            of_scanners.append(espresense.sighting(nodes[(number + variant) % len(nodes)], advert, rssi, 1000, 4.0))
            fixed = scenario.beacons[(number + variant) % len(scenario.beacons)]
            name = ble.IBeacon(fixed.uuid, fixed.major, fixed.minor, -59).canonical
            of_phones.append(template(Encoder(scenario.site, f"phone-{number:04d}", boot).sighting(0, [(name, rssi, -59)])))
    for seq, (message, form) in enumerate(zip(cycle(of_scanners), cycle(of_phones), strict=False)):
        yield message.topic, message.payload
        yield form.topic, form.filled(seq, time.time_ns() // 1_000_000)


def _purchases(scenario: Scenario, boot: str) -> Iterator[tuple[Key, str, bytes]]:
    """Keys, topics and payloads without end: one purchase of each till in turn."""
    forms = [
        (till.device, template(Encoder(scenario.site, till.device, boot).purchase(0, 450, scenario.zone(till.zone).kind or "other", None)))
        for till in scenario.tills
    ]
    seq = 0
    while True:
        for device, form in forms:
            yield Key(device, boot, seq), form.topic, form.filled(seq, time.time_ns() // 1_000_000)
        seq += 1
