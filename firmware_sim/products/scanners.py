"""Scanners: reports of the advertisements received, each in the format of its maker."""

from __future__ import annotations

from collections.abc import Iterable

from firmware_sim.devices import espresense, minew, ruuvi, theengs
from firmware_sim.message import Message
from firmware_sim.products.firmware import BaseProduct, Boot, Traits
from firmware_sim.products.surroundings import Surroundings

YEAR_2000_MS = 946_684_800_000
SENSOR_EVERY = 8  # one report in so many is a climate sensor


class _Scanner(BaseProduct):
    """Common part of all scanners: a name and surroundings."""

    reported = 1

    def __init__(self, device: str, around: Surroundings) -> None:
        self.device, self._around = device, around


class RuuviGateway(_Scanner):
    """Relays raw bytes with the seconds of its own clock."""

    traits = Traits(every_ms=1_000, boot_ms=2_500, join_ms=800, sync_ms=4_000)

    def __init__(self, number: int, around: Surroundings) -> None:
        super().__init__(f"C8:25:2D:{number >> 16 & 255:02X}:{number >> 8 & 255:02X}:{number & 255:02X}", around)

    def birth(self, _boot: Boot, /) -> Iterable[Message]:
        """Status online."""
        return (ruuvi.gateway_status(self.device, is_online=True),)

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """One message per advertisement."""
        return [ruuvi.relay(self.device, advert, rssi, boot.clock_ms) for advert, rssi in self._around.heard(boot.now_ms)]

    def last_will(self, _boot: Boot, /) -> Iterable[Message]:
        """Status offline."""
        return (ruuvi.gateway_status(self.device, is_online=False),)


class MinewGateway(_Scanner):
    """One array per report. Before synchronisation its clock begins in the year 2000."""

    traits = Traits(every_ms=1_000, boot_ms=4_000, join_ms=1_000, epoch_ms=YEAR_2000_MS, sync_ms=6_000)

    def __init__(self, number: int, around: Surroundings) -> None:
        super().__init__(f"AC233F{number:06X}", around)

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """All advertisements since the last report."""
        heard = [minew.Heard(boot.clock_ms, advert, rssi) for advert, rssi in self._around.heard(boot.now_ms)]
        return (minew.report(self.device, boot.clock_ms, heard),)


class TheengsScanner(_Scanner):
    """OpenMQTTGateway on an ESP32: no time in its messages, and every eighth report is a climate sensor."""

    traits = Traits(every_ms=1_000, boot_ms=3_000, join_ms=900, sync_ms=None, hangs_per_hour=0.02)

    def __init__(self, number: int, around: Surroundings) -> None:
        super().__init__(f"OMG-{number:05d}", around)
        self._sensor = bytes.fromhex(f"A4C138{number:06X}")
        self._reports = 0

    def birth(self, _boot: Boot, /) -> Iterable[Message]:
        """Status online."""
        return (theengs.alive(self.device, is_online=True),)

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """A climate sensor in every eighth report, else the advertisements received."""
        self._reports += 1
        if self._reports % SENSOR_EVERY:
            return [theengs.sighting(self.device, advert, rssi) for advert, rssi in self._around.heard(boot.now_ms)]
        air = boot.sense("air", lambda: self._around.air(boot.now_ms))
        packet, battery_pct = self._reports // SENSOR_EVERY, 97
        return (theengs.climate(self.device, self._sensor, -71.0, packet, battery_pct, air.temperature_c, air.humidity_pct),)

    def last_will(self, _boot: Boot, /) -> Iterable[Message]:
        """Status offline."""
        return (theengs.alive(self.device, is_online=False),)


class EspresenseNode(_Scanner):
    """One message per advertisement, without a time."""

    traits = Traits(every_ms=1_000, boot_ms=2_000, join_ms=700, sync_ms=None, crashes_per_hour=0.02)

    def __init__(self, number: int, around: Surroundings) -> None:
        super().__init__(f"room-{number:05d}", around)
        self._adverts = 0

    def birth(self, boot: Boot, /) -> Iterable[Message]:
        """Status online, and telemetry with all counts at 0."""
        self._adverts = 0
        state = espresense.Telemetry(boot.uptime_ms // 1000, 0, 0, 0)
        return (espresense.room_status(self.device, is_online=True), espresense.telemetry(self.device, state))

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """One sighting per device received."""
        heard = self._around.heard(boot.now_ms)
        self._adverts += len(heard)
        return [espresense.sighting(self.device, advert, rssi, self.traits.every_ms, 2.5) for advert, rssi in heard]

    def last_will(self, _boot: Boot, /) -> Iterable[Message]:
        """Status offline."""
        return (espresense.room_status(self.device, is_online=False),)
