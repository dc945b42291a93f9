"""Municipal devices: a LoRaWAN weather station, a counting camera, a Sparkplug till and a linked-data feed."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from firmware_sim.devices import cayenne_lpp, frigate, ngsi_ld, sparkplug_b, ttn_v3
from firmware_sim.message import Message
from firmware_sim.products.firmware import BaseProduct, Boot, Traits
from firmware_sim.products.surroundings import Surroundings

APPLICATION, TENANT = "wayside-weather", "ttn"
WEATHER_PORT = 2
FRAMES_MAX = 1 << 32
MS = 1_000_000  # nanoseconds
AIR_LATENCY_MS = 230  # from the end of a transmission to the stack's own message


class WeatherStation(BaseProduct):
    """LoRaWAN class A: joins, sends a few bytes and sleeps; it has no clock, the network server adds the time."""

    traits = Traits(
        every_ms=600_000, boot_ms=500, join_ms=6_000, join_refused_share=0.2, sync_ms=None, awake_ms=2_500, battery_hours=30_000.0
    )
    reported = 1

    def __init__(self, number: int, around: Surroundings) -> None:
        self.device = f"70b3d57ed0{number:06x}"
        self._around, self._number = around, number
        self._end = self._joined_as(0)
        self._session = ""
        self._frames = 0

    def birth(self, boot: Boot, /) -> Iterable[Message]:
        """Accepted join: a new address, a new session, frame counters from 0."""
        self._end = self._joined_as(boot.draws.getrandbits(20))
        self._session = base64.b64encode(boot.draws.randbytes(16)).decode()
        self._frames = 0
        at_ns = boot.true_ms * MS
        yield ttn_v3.join_accept(self._end, TENANT, ttn_v3.correlation_ids(boot.true_ms, boot.draws), ttn_v3.stamp(at_ns), self._session)

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """An uplink in Cayenne LPP."""
        air = boot.sense("air", lambda: self._around.air(boot.now_ms))
        entries = (
            cayenne_lpp.Entry(1, cayenne_lpp.TEMPERATURE, air.temperature_c),
            cayenne_lpp.Entry(2, cayenne_lpp.HUMIDITY, air.humidity_pct),
            cayenne_lpp.Entry(3, cayenne_lpp.PRESSURE, air.pressure_hpa),
            cayenne_lpp.Entry(4, cayenne_lpp.LUMINOSITY, air.illuminance_lx),
            cayenne_lpp.Entry(5, cayenne_lpp.ANALOG_IN, air.rain_mm_h),
        )
        # Nanoseconds are drawn: in reality no two uplinks share one.
        received_ns = (boot.true_ms + AIR_LATENCY_MS) * MS + boot.draws.randrange(MS)
        correlation = ttn_v3.correlation_ids(boot.true_ms, boot.draws)
        yield ttn_v3.uplink(self._end, TENANT, correlation, ttn_v3.stamp(received_ns), self._uplink(boot, entries))
        self._frames = (self._frames + 1) % FRAMES_MAX

    def _joined_as(self, address: int) -> ttn_v3.EndDevice:
        eui = self.device.upper()
        return ttn_v3.EndDevice(f"eui-{self.device}", APPLICATION, eui, "70B3D57ED0000000", f"260{address:05X}")

    def _uplink(self, boot: Boot, entries: tuple[cayenne_lpp.Entry, ...]) -> ttn_v3.Uplink:
        heard_ns = boot.true_ms * MS
        counter = heard_ns // 1000 % (1 << 32)
        moment, server_moment = ttn_v3.stamp(heard_ns, 6), ttn_v3.stamp(heard_ns + 32 * MS)
        channel = self._frames % 8
        token = base64.b64encode(b"\n\x22\n \n\x14" + boot.draws.randbytes(24)).decode()
        rx = ttn_v3.Rx(
            gateway_id="eui-a84041ffff1e0001",
            eui="A84041FFFF1E0001",
            rssi=boot.draws.randint(-118, -70),
            snr=boot.draws.randint(-60, 100) / 10,
            timestamp=counter,
            channel_index=channel,
            frequency_offset=str(boot.draws.randint(-900, 900)),
            uplink_token=token,
            time=moment,
            received_at=server_moment,
        )
        radio = ttn_v3.Radio(spreading_factor=7 + self._number % 4, frequency=str(867_100_000 + 200_000 * channel))
        payload, decoded = cayenne_lpp.encode(entries), cayenne_lpp.decoded_payload(entries)
        return ttn_v3.Uplink(
            self._session, WEATHER_PORT, self._frames, payload, decoded, (rx,), radio, moment, counter, ttn_v3.stamp(heard_ns + 40 * MS)
        )


class Camera(BaseProduct):
    """Footfall counter: Frigate behind a camera. It publishes a count, and per person a box without a face."""

    traits = Traits(every_ms=5_000, boot_ms=9_000, join_ms=600, epoch_ms=None)
    reported = 2

    def __init__(self, number: int, around: Surroundings) -> None:
        self.device = f"camera-{number:05d}"
        self._around = around

    def birth(self, _boot: Boot, /) -> Iterable[Message]:
        """Availability of the service."""
        return (frigate.available(is_online=True),)

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """The number of people in view, and the latest movement."""
        people = boot.sense("people", lambda: self._around.people(boot.now_ms))
        yield frigate.count(self.device, "person", people)
        now_s = boot.clock_ms / 1000
        left, top = boot.draws.randint(0, 900), boot.draws.randint(0, 400)
        score = round(boot.draws.uniform(0.7, 0.97), 6)
        name = f"{now_s - 4:.6f}-{boot.draws.getrandbits(24):06x}"
        before = frigate.Tracked(name, now_s - 4, now_s - 1, (left, top, left + 110, top + 210), score, score)
        after = before._replace(frame_s=now_s, box=(left + 8, top, left + 118, top + 210))
        yield frigate.person(self.device, "update", before, after)

    def last_will(self, _boot: Boot, /) -> Iterable[Message]:
        """Last will of the service."""
        return (frigate.available(is_online=False),)


class SparkplugTill(BaseProduct):
    """Till behind a Sparkplug edge node: its sales and the temperature of its cold counter."""

    traits = Traits(every_ms=10_000, boot_ms=5_000, join_ms=500, epoch_ms=None)
    reported = 1

    def __init__(self, number: int, around: Surroundings) -> None:
        self.device = f"edge-{number:05d}"
        self._around = around
        self._bd_seq, self._seq = -1, 0
        self._sold_minor = self._sales = 0

    def birth(self, boot: Boot, /) -> Iterable[Message]:
        """NBIRTH of the node, then DBIRTH of the till with all its metrics."""
        self._bd_seq, self._seq = (self._bd_seq + 1) % (sparkplug_b.SEQ_LAST + 1), 0
        yield sparkplug_b.birth(self._around.site, self.device, boot.clock_ms, self._bd_seq)
        hardware = sparkplug_b.Metric("Properties/Hardware Make", sparkplug_b.STRING, "Wayside", boot.clock_ms)
        yield self._message("DBIRTH", boot, [hardware, *self._metrics(boot)])

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """Sales counters; a sale happens with probability 0.4 per report."""
        if boot.draws.random() < 0.4:
            self._sales += 1
            self._sold_minor += boot.draws.randrange(150, 1500, 10)
        yield self._message("DDATA", boot, self._metrics(boot))

    def last_will(self, boot: Boot, /) -> Iterable[Message]:
        """NDEATH of the node."""
        return (sparkplug_b.death(self._around.site, self.device, boot.clock_ms, self._bd_seq),)

    def _metrics(self, boot: Boot) -> list[sparkplug_b.Metric]:
        cold_c = boot.sense("cold", lambda: 4.0 + 0.1 * self._around.air(boot.now_ms).temperature_c)
        at_ms = boot.clock_ms
        return [
            sparkplug_b.Metric("Sales/Count", sparkplug_b.UINT32, self._sales, at_ms),
            sparkplug_b.Metric("Sales/Total", sparkplug_b.UINT64, self._sold_minor, at_ms),
            sparkplug_b.Metric("Cold Counter/Temperature", sparkplug_b.FLOAT, cold_c, at_ms, unit="°C"),
        ]

    def _message(self, kind: str, boot: Boot, metrics: list[sparkplug_b.Metric]) -> Message:
        self._seq = (self._seq + 1) % (sparkplug_b.SEQ_LAST + 1)
        body = sparkplug_b.payload(boot.clock_ms, metrics, self._seq)
        return sparkplug_b.message(self._around.site, kind, self.device, body, "till")


class CityFeed(BaseProduct):
    """City platform in a data centre with a correct clock: crowd and weather of one place in turn, as linked data."""

    traits = Traits(every_ms=60_000, boot_ms=1_000, join_ms=200, epoch_ms=None)
    reported = 1

    def __init__(self, number: int, around: Surroundings) -> None:
        self.device = f"{around.site}_{number:05d}"
        self._around = around
        self._reported_ms = 0
        self._turn = 0

    def birth(self, boot: Boot, /) -> Iterable[Message]:
        """No announcement; the first counting interval begins."""
        self._reported_ms = boot.clock_ms
        return ()

    def report(self, boot: Boot, /) -> Iterable[Message]:
        """Crowd count and weather, alternating."""
        latitude, longitude = self._around.spot(boot.now_ms)
        self._turn += 1
        if self._turn % 2:
            people = boot.sense("people", lambda: self._around.people(boot.now_ms))
            line = [(round(longitude, 6), round(latitude, 6)), (round(longitude + 0.001, 6), round(latitude, 6))]
            yield ngsi_ld.crowd(self.device, self._reported_ms, boot.clock_ms, people, (people + 1) // 2, line)
            self._reported_ms = boot.clock_ms
        else:
            air = boot.sense("air", lambda: self._around.air(boot.now_ms))
            spot = (round(longitude, 6), round(latitude, 6))
            yield ngsi_ld.weather(self.device, boot.clock_ms, spot, air.temperature_c, air.humidity_pct, air.rain_mm_h)
