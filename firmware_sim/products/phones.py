"""Phones: one with Wayside's app, one with OwnTracks."""

from __future__ import annotations

from collections.abc import Iterable

from firmware_sim.devices import owntracks
from firmware_sim.devices.wayside_v1 import Encoder
from firmware_sim.message import Message
from firmware_sim.products.firmware import BaseProduct, Boot, Traits
from firmware_sim.products.surroundings import APP_UUID, Surroundings

PURPOSES = ("presence", "offers", "learning", "measurement")


class WaysideApp(BaseProduct):
    """Phone with the app: consent at every start, then sightings. The network sets its clock after two seconds."""

    traits = Traits(every_ms=1_000, boot_ms=600, join_ms=300, sync_ms=2_000, battery_hours=20.0)
    reported = 1

    def __init__(self, number: int, around: Surroundings) -> None:
        self.device = f"phone-f{number:05d}"
        self._number, self._around = number, around
        self._encoder = Encoder(around.site, self.device, "")

    def birth(self, boot: Boot, /) -> Iterable[Message]:
        """Status, then the consent of the phone's owner."""
        self._encoder = Encoder(self._around.site, self.device, boot.id)
        yield self._encoder.status(boot.claim_ms(), uptime_s=boot.uptime_ms // 1000, battery=boot.battery_pct)
        tag = f"iBeacon:{APP_UUID}-{1000 + self._number // 1000}-{self._number % 1000}"
        yield self._encoder.consent(boot.claim_ms(), PURPOSES, [tag], {"bar": float(self._number % 4)})

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """The fixed beacons nearby."""
        heard = [
            (advert.ibeacon.canonical, rssi, advert.ibeacon.power_dbm)
            for advert, rssi in self._around.heard(boot.now_ms)
            if advert.ibeacon is not None
        ]
        if heard:
            yield self._encoder.sighting(boot.claim_ms(), heard)


class OwnTracksPhone(BaseProduct):
    """A position per report. The clock keeps running while the phone is off."""

    traits = Traits(every_ms=10_000, boot_ms=600, join_ms=300, epoch_ms=None, battery_hours=24.0)
    reported = 1

    def __init__(self, number: int, around: Surroundings) -> None:
        self.device = f"phone-o{number:05d}"
        self._around = around
        self._connected_ms = 0

    def birth(self, boot: Boot, /) -> Iterable[Message]:
        """No message; the last will is registered with the current time."""
        self._connected_ms = boot.clock_ms
        return ()

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """The position, or the last one if the receiver is stuck."""
        latitude, longitude = boot.sense("spot", lambda: self._around.spot(boot.now_ms))
        accuracy_m = boot.draws.randint(4, 25)
        yield owntracks.location(
            self._around.site, self.device, latitude, longitude, accuracy_m=accuracy_m, at_ms=boot.clock_ms, battery=boot.battery_pct
        )

    def last_will(self, _boot: Boot, /) -> Iterable[Message]:
        """Last will of the phone."""
        return (owntracks.last_will(self._around.site, self.device, self._connected_ms),)
