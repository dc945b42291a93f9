"""Scanners: from an advertisement on the air to a message in the product's format.

Each product has its own habit: ESPresense tells at once and keeps a memory per device, a Ruuvi Gateway
passes bytes on at once, a Minew gateway gathers for a second and tells all.
"""

from __future__ import annotations

from typing import Protocol

from firmware_sim.devices import espresense, minew, ruuvi
from firmware_sim.devices.ble import Advertisement
from firmware_sim.event_loop import EventLoop
from firmware_sim.message import Publish
from firmware_sim.scenario import Scanner
from firmware_sim.street.transport import Transport

TELEMETRY_MS = 15_000
FORGET_MS = 150_000  # ESPresense drops a device it has not heard for so long
SMOOTHING = 0.25


class Receiver(Protocol):
    """A radio that something was heard by."""

    def receive(self, now_ms: int, advert: Advertisement, rssi_dbm: float) -> None:
        """Take down one advertisement."""


class EspresenseNode:
    """One message per advertisement, with the node's own interval and variance; telemetry now and then."""

    def __init__(self, node: str, loop: EventLoop, publish: Publish) -> None:
        self._node = node
        self._publish = publish
        self._memory: dict[str, tuple[int, float, float]] = {}  # id: last heard, mean, variance
        self._adverts = 0
        loop.every(TELEMETRY_MS, TELEMETRY_MS, self._telemetry)

    def receive(self, now_ms: int, advert: Advertisement, rssi_dbm: float) -> None:
        """Smooth, remember, and tell."""
        self._adverts += 1
        name = espresense.identity(advert)
        last_ms, mean, variance = self._memory.get(name, (now_ms, rssi_dbm, 0.0))
        deviation = rssi_dbm - mean
        variance = (1 - SMOOTHING) * (variance + SMOOTHING * deviation**2)
        self._memory[name] = (now_ms, mean + SMOOTHING * deviation, variance)
        self._publish(espresense.sighting(self._node, advert, rssi_dbm, now_ms - last_ms, variance))

    def _telemetry(self, now_ms: int) -> None:
        self._memory = {name: kept for name, kept in self._memory.items() if now_ms - kept[0] < FORGET_MS}
        state = espresense.Telemetry(now_ms // 1000, self._adverts, self._adverts, self._adverts)
        self._publish(espresense.telemetry(self._node, state))


class MinewGateway:
    """Everything of the last period in one array; an empty report still tells that the gateway lives."""

    def __init__(self, scanner: Scanner, loop: EventLoop, transport: Transport) -> None:
        self._mac = scanner.id
        self._clock_ms = transport.clock_ms
        self._publish = transport.publish
        self._heard: list[minew.Heard] = []
        loop.every(scanner.report_ms, scanner.report_ms, self._report)

    def receive(self, now_ms: int, advert: Advertisement, rssi_dbm: float) -> None:
        """Keep it for the next report."""
        self._heard.append(minew.Heard(self._clock_ms(now_ms), advert, rssi_dbm))

    def _report(self, now_ms: int) -> None:
        heard, self._heard = self._heard, []
        self._publish(minew.report(self._mac, self._clock_ms(now_ms), heard))


class RuuviGateway:
    """One message per advertisement, bytes as they came."""

    def __init__(self, mac: str, transport: Transport) -> None:
        self._mac = mac
        self._clock_ms = transport.clock_ms
        self._publish = transport.publish

    def receive(self, now_ms: int, advert: Advertisement, rssi_dbm: float) -> None:
        """Pass it on."""
        self._publish(ruuvi.relay(self._mac, advert, rssi_dbm, self._clock_ms(now_ms)))


def build(scanner: Scanner, loop: EventLoop, transport: Transport) -> Receiver:
    """The scanner that the scenario asks for."""
    if scanner.format == "espresense":
        return EspresenseNode(scanner.id, loop, transport.publish)
    if scanner.format == "minew_gateway_json":
        return MinewGateway(scanner, loop, transport)
    return RuuviGateway(scanner.id, transport)
