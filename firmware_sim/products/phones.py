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
    """The app: its owner's consent at every start, then what it hears. The time comes from the network, a moment late."""

    traits = Traits(every_ms=1_000, boot_ms=600, join_ms=300, sync_ms=2_000, battery_hours=20.0)
    reported = 1

    def __init__(self, number: int, around: Surroundings) -> None:
        self.device = f"phone-f{number:05d}"
        self._number, self._around = number, around
        self._encoder = Encoder(around.site, self.device, "")

    def birth(self, boot: Boot, /) -> Iterable[Message]:
        """Here I am, and this is what my owner agrees to."""
        self._encoder = Encoder(self._around.site, self.device, boot.id)
        yield self._encoder.status(boot.claim_ms(), uptime_s=boot.uptime_ms // 1000, battery=boot.battery_pct)
        tag = f"iBeacon:{APP_UUID}-{1000 + self._number // 1000}-{self._number % 1000}"
        yield self._encoder.consent(boot.claim_ms(), PURPOSES, [tag], {"bar": float(self._number % 4)})

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """The fixed beacons around."""
        heard = [
            (advert.ibeacon.canonical, rssi, advert.ibeacon.power_dbm)
            for advert, rssi in self._around.heard(boot.now_ms)
            if advert.ibeacon is not None
        ]
        if heard:
            yield self._encoder.sighting(boot.claim_ms(), heard)


class OwnTracksPhone(BaseProduct):
    """A position at every report. A phone keeps the time while it is off."""

    traits = Traits(every_ms=10_000, boot_ms=600, join_ms=300, epoch_ms=None, battery_hours=24.0)
    reported = 1

    def __init__(self, number: int, around: Surroundings) -> None:
        self.device = f"phone-o{number:05d}"
        self._around = around
        self._connected_ms = 0

    def birth(self, boot: Boot, /) -> Iterable[Message]:
        """Connecting is silent; the will gets its time now."""
        self._connected_ms = boot.clock_ms
        return ()

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """Where it is, or where its receiver got stuck."""
        latitude, longitude = boot.sense("spot", lambda: self._around.spot(boot.now_ms))
        accuracy_m = boot.draws.randint(4, 25)
        yield owntracks.location(
            self._around.site, self.device, latitude, longitude, accuracy_m=accuracy_m, at_ms=boot.clock_ms, battery=boot.battery_pct
        )

    def last_will(self, _boot: Boot, /) -> Iterable[Message]:
        """The broker publishes the will."""
        return (owntracks.last_will(self._around.site, self.device, self._connected_ms),)
