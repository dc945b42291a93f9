"""Scanners: from received advertisements to messages in the product's format.

ESPresense publishes each advertisement at once and keeps statistics per device, a Ruuvi Gateway relays raw bytes at once, a
Minew gateway collects and publishes once per period.
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
FORGET_MS = 150_000  # ESPresense drops a device after this time without an advertisement
SMOOTHING = 0.25


class Receiver(Protocol):
    """A radio that receives advertisements."""

    def receive(self, now_ms: int, advert: Advertisement, rssi_dbm: float) -> None:
        """Handle one advertisement."""


class EspresenseNode:
    """One message per advertisement, with the node's own interval and variance; telemetry every 15 s."""

    def __init__(self, node: str, loop: EventLoop, publish: Publish) -> None:
        self._node = node
        self._publish = publish
        self._memory: dict[str, tuple[int, float, float]] = {}  # id: last reception, mean, variance
        self._adverts = 0
        loop.every(TELEMETRY_MS, TELEMETRY_MS, self._telemetry)

    def receive(self, now_ms: int, advert: Advertisement, rssi_dbm: float) -> None:
        """Update mean and variance of the device, and publish."""
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
    """One array per period; an empty report shows that the gateway is alive."""

    def __init__(self, scanner: Scanner, loop: EventLoop, transport: Transport) -> None:
        self._mac = scanner.id
        self._clock_ms = transport.clock_ms
        self._publish = transport.publish
        self._heard: list[minew.Heard] = []
        loop.every(scanner.report_ms, scanner.report_ms, self._report)

    def receive(self, now_ms: int, advert: Advertisement, rssi_dbm: float) -> None:
        """Keep the advertisement for the next report."""
        self._heard.append(minew.Heard(self._clock_ms(now_ms), advert, rssi_dbm))

    def _report(self, now_ms: int) -> None:
        heard, self._heard = self._heard, []
        self._publish(minew.report(self._mac, self._clock_ms(now_ms), heard))


class RuuviGateway:
    """One message per advertisement, with its raw bytes."""

    def __init__(self, mac: str, transport: Transport) -> None:
        self._mac = mac
        self._clock_ms = transport.clock_ms
        self._publish = transport.publish

    def receive(self, now_ms: int, advert: Advertisement, rssi_dbm: float) -> None:
        """Publish the advertisement."""
        self._publish(ruuvi.relay(self._mac, advert, rssi_dbm, self._clock_ms(now_ms)))


def build(scanner: Scanner, loop: EventLoop, transport: Transport) -> Receiver:
    """Scanner of the configured format."""
    if scanner.format == "espresense":
        return EspresenseNode(scanner.id, loop, transport.publish)
    if scanner.format == "minew_gateway_json":
        return MinewGateway(scanner, loop, transport)
    return RuuviGateway(scanner.id, transport)
