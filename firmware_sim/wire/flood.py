"""A load generator: as many sightings as the rate says, or exactly so many facts.

It has to cost little, for the machine that it measures is often the one that it runs on: payloads are
prepared before the first one is sent, and only their numbers are written in later. Sightings are of phones
that have just consented, so that a gateway cannot be fast by refusing them all.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Iterator
from itertools import cycle
from typing import NamedTuple

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode

from firmware_sim.devices import ble, espresense
from firmware_sim.devices.wayside_v1 import Encoder
from firmware_sim.draws import generator
from firmware_sim.message import Message
from firmware_sim.scenario import Scenario
from firmware_sim.wire.broker import Broker, BrokerError, connect

TICK_S = 0.005
BURST_MAX = 500
OUTSTANDING_MAX = 1_000  # facts handed over and not yet acknowledged
VARIANTS = 16  # different signal strengths per phone
SEQ_MARK = b'"seq":0,"at_ms":0'


class Key(NamedTuple):
    """By what a gateway knows a fact again."""

    device: str
    boot: str
    seq: int


class Result(NamedTuple):
    """What was done."""

    published: int
    acked: int
    seconds: float
    keys: list[Key]


class Template(NamedTuple):
    """A Wayside v1 message that lacks only its number and its time."""

    topic: str
    head: bytes
    tail: bytes

    def filled(self, seq: int, at_ms: int) -> bytes:
        """The payload of one saying."""
        return b'%b"seq":%d,"at_ms":%d%b' % (self.head, seq, at_ms, self.tail)


def template(message: Message) -> Template:
    """Cut a message with `seq` 0 and `at_ms` 0 open at its number."""
    head, _, tail = message.payload.partition(SEQ_MARK)
    return Template(message.topic, head, tail)


def new_boot() -> str:
    """A life that no gateway has heard of."""
    return f"flood-{secrets.token_hex(6)}"


def sightings(scenario: Scenario, broker: Broker, *, seconds: float, rate: float | None, phones: int, boot: str) -> Result:
    """Publish QoS 0 sightings for `seconds`, at `rate` a second or (None) as fast as the broker takes them."""
    client = connect(broker, "flood")
    consented = _settle(client, [client.publish(m.topic, m.payload, qos=1) for m in _consents(scenario, phones, boot)])
    stream = _sightings(scenario, phones, boot)
    begin, sent, elapsed = time.monotonic(), 0, 0.0
    while elapsed < seconds:
        burst = BURST_MAX if rate is None else min(BURST_MAX, int(rate * elapsed) - sent)
        for _ in range(burst):
            topic, payload = next(stream)
            client.publish(topic, payload)
        sent += max(0, burst)
        _breathe(client, 0.0 if burst >= BURST_MAX else TICK_S)
        while client.want_write():  # the broker is slower than we are: wait for it instead of piling up
            _breathe(client, TICK_S)
        elapsed = time.monotonic() - begin
    client.disconnect()
    return Result(sent, consented, elapsed, [])


def facts(scenario: Scenario, broker: Broker, *, count: int, rate: float | None, seconds: float, boot: str) -> Result:
    """Publish exactly `count` purchases at QoS 1; returns when all are acknowledged or `seconds` have passed."""
    client = connect(broker, "flood")
    acked_mids: deque[int] = deque()
    client.on_publish = lambda _client, _userdata, mid, _reason, _properties: acked_mids.append(mid)
    stream = _purchases(scenario, boot)
    pending: dict[int, Key] = {}
    acked: list[Key] = []
    begin, sent, elapsed = time.monotonic(), 0, 0.0
    client.loop_start()
    while len(acked) < count and elapsed < seconds:
        allowed = count if rate is None else int(rate * elapsed)
        for _ in range(min(allowed, count) - sent):
            if len(pending) >= OUTSTANDING_MAX:
                break
            key, topic, payload = next(stream)
            pending[client.publish(topic, payload, qos=1).mid] = key
            sent += 1
        while acked_mids:
            acked.append(pending.pop(acked_mids.popleft()))
        time.sleep(TICK_S if len(pending) >= OUTSTANDING_MAX or sent >= min(allowed, count) else 0)
        elapsed = time.monotonic() - begin
    client.disconnect()
    client.loop_stop()
    return Result(sent, len(acked), elapsed, acked)


def _breathe(client: Client, seconds: float) -> None:
    """Write what waits, read what came, keep the connection alive."""
    if client.loop(seconds) != MQTTErrorCode.MQTT_ERR_SUCCESS:
        raise BrokerError("the broker hung up in the middle of the flood")


def _settle(client: Client, infos: list[MQTTMessageInfo]) -> int:
    """Wait until the broker has acknowledged all of these."""
    while not all(info.is_published() for info in infos):
        _breathe(client, TICK_S)
    return len(infos)


def _beacon(scenario: Scenario, number: int) -> ble.IBeacon:
    power = round(scenario.radio.rssi_1m_dbm)
    return ble.IBeacon(scenario.phones.app_uuid, 1000 + number // 1000, number % 1000, power)


def _consents(scenario: Scenario, phones: int, boot: str) -> Iterator[Message]:
    """Every phone says yes to everything."""
    for number in range(1, phones + 1):
        voice = Encoder(scenario.site, f"phone-{number:04d}", f"{boot}-consent")
        tags = [_beacon(scenario, number).canonical]
        visits: dict[str, float] = {kind: float(number % 7) for kind in scenario.tastes}
        yield voice.consent(None, ("presence", "offers", "learning", "measurement"), tags, visits)


def _sightings(scenario: Scenario, phones: int, boot: str) -> Iterator[tuple[str, bytes]]:
    """For ever, in turn: a scanner hears a phone, a phone hears a beacon."""
    nodes = [scanner.id for scanner in scenario.scanners if scanner.format == espresense.FORMAT]
    draws = generator(0, "flood")
    heard: list[Message] = []
    told: list[Template] = []
    for variant in range(VARIANTS):
        for number in range(1, phones + 1):
            rssi = draws.uniform(-72.0, -52.0)
            advert = ble.ibeacon(ble.private_address(draws), _beacon(scenario, number))
            heard.append(espresense.sighting(nodes[(number + variant) % len(nodes)], advert, rssi, 1000, 4.0))
            fixed = scenario.beacons[(number + variant) % len(scenario.beacons)]
            name = ble.IBeacon(fixed.uuid, fixed.major, fixed.minor, -59).canonical
            told.append(template(Encoder(scenario.site, f"phone-{number:04d}", boot).sighting(0, [(name, rssi, -59)])))
    for seq, (message, form) in enumerate(zip(cycle(heard), cycle(told), strict=False)):
        yield message.topic, message.payload
        yield form.topic, form.filled(seq, time.time_ns() // 1_000_000)


def _purchases(scenario: Scenario, boot: str) -> Iterator[tuple[Key, str, bytes]]:
    """For ever: each till in turn sells something, numbered within this boot."""
    forms = [
        (till.device, template(Encoder(scenario.site, till.device, boot).purchase(0, 450, scenario.zone(till.zone).kind or "other", None)))
        for till in scenario.tills
    ]
    seq = 0
    while True:
        for device, form in forms:
            yield Key(device, boot, seq), form.topic, form.filled(seq, time.time_ns() // 1_000_000)
        seq += 1
