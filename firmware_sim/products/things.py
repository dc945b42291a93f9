"""Shop and office devices: Shelly of both generations, and a Zigbee sensor behind its bridge."""

from __future__ import annotations

from collections.abc import Iterable

from firmware_sim.devices import shelly_gen1, shelly_gen2, zigbee2mqtt
from firmware_sim.message import Message
from firmware_sim.products.firmware import HOUR_MS, BaseProduct, Boot, Traits
from firmware_sim.products.surroundings import Surroundings

VOLTAGE_V = 230.0


class ShellyHT(BaseProduct):
    """First generation, battery-powered: wakes, announces itself, publishes three values, sleeps. It has no clock."""

    traits = Traits(every_ms=60_000, boot_ms=700, join_ms=900, sync_ms=None, awake_ms=250, battery_hours=12_000.0)
    reported = 3

    def __init__(self, number: int, around: Surroundings) -> None:
        self.device = f"shellyht-{number:06X}"
        self._mac, self._around = f"A4CF12{number:06X}", around

    def birth(self, boot: Boot, /) -> Iterable[Message]:
        """Announcement on the shared topic, then online."""
        version = f"2023091{boot.version % 10}-114138/v1.14.{boot.version}-gcb84623"
        yield shelly_gen1.announce(self.device, self._mac, "192.0.2.40", version, new_version=False)
        yield shelly_gen1.online(self.device, is_online=True)

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """Temperature, humidity and battery, a topic each."""
        air = boot.sense("air", lambda: self._around.air(boot.now_ms))
        yield shelly_gen1.sensor(self.device, "temperature", air.temperature_c, 2)
        yield shelly_gen1.sensor(self.device, "humidity", air.humidity_pct, 1)
        yield shelly_gen1.sensor(self.device, "battery", boot.battery_pct, 0)

    def last_will(self, _boot: Boot, /) -> Iterable[Message]:
        """Status offline."""
        return (shelly_gen1.online(self.device, is_online=False),)


class ShellyPlug(BaseProduct):
    """Second generation, a metering switch. Before synchronisation its clock counts seconds from the start."""

    traits = Traits(every_ms=10_000, boot_ms=1_200, join_ms=800, sync_ms=3_000)
    reported = 1

    def __init__(self, number: int, around: Surroundings) -> None:
        self.device = f"shellyplus1pm-{0x441793000000 + number:012x}"
        self._around = around
        self._energy_wh, self._last_ms = 0.0, 0

    def birth(self, boot: Boot, /) -> Iterable[Message]:
        """Status online."""
        self._last_ms = boot.now_ms
        return (shelly_gen2.online(self.device, is_online=True),)

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """Current power, and the energy in total."""
        power_w = boot.sense("power", lambda: max(0.0, 60 + 5 * self._around.air(boot.now_ms).temperature_c))
        self._energy_wh += power_w * (boot.now_ms - self._last_ms) / HOUR_MS
        self._last_ms = boot.now_ms
        minute_mwh = round(power_w * 1000 / 60, 3)
        by_minute = (minute_mwh, minute_mwh, minute_mwh)
        plug = shelly_gen2.Plug(power_w > 0, power_w, VOLTAGE_V, power_w / VOLTAGE_V, self._energy_wh, by_minute, 41.5)
        return (shelly_gen2.status(self.device, boot.clock_ms / 1000, plug),)

    def updating(self, boot: Boot, percent: int, /) -> Iterable[Message]:
        """Progress, and at 100 % success."""
        if percent < 100:
            return (shelly_gen2.update_progress(self.device, boot.clock_ms / 1000, percent),)
        return (shelly_gen2.update_done(self.device, boot.clock_ms / 1000),)

    def last_will(self, _boot: Boot, /) -> Iterable[Message]:
        """Status offline."""
        return (shelly_gen2.online(self.device, is_online=False),)


class ZigbeeClimate(BaseProduct):
    """Climate sensor behind Zigbee2MQTT; the bridge publishes its state and availability."""

    traits = Traits(every_ms=30_000, boot_ms=300, join_ms=2_500, join_refused_share=0.1, sync_ms=None, awake_ms=100, battery_hours=15_000.0)
    reported = 1

    def __init__(self, number: int, around: Surroundings) -> None:
        self.device = f"climate-{number:05d}"
        self._around = around

    def birth(self, _boot: Boot, /) -> Iterable[Message]:
        """Availability online."""
        return (zigbee2mqtt.availability(self.device, is_online=True),)

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """Complete state."""
        air = boot.sense("air", lambda: self._around.air(boot.now_ms))
        link = boot.draws.randint(60, 180)
        return (zigbee2mqtt.climate(self.device, air.temperature_c, air.humidity_pct, battery_pct=boot.battery_pct, link_quality=link),)

    def updating(self, _boot: Boot, percent: int, /) -> Iterable[Message]:
        """Progress and remaining time, as the bridge publishes it."""
        return (zigbee2mqtt.update(self.device, percent, round(self.traits.update_ms / 1000 * (100 - percent) / 100)),)

    def last_will(self, _boot: Boot, /) -> Iterable[Message]:
        """Availability offline, published by the bridge."""
        return (zigbee2mqtt.availability(self.device, is_online=False),)
