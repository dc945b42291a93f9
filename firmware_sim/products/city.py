"""What a city puts up: a LoRaWAN weather station, a counting camera, a till on Sparkplug, a feed of linked data."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from firmware_sim.devices import cayenne_lpp, frigate, ngsi_ld, sparkplug_b, ttn_v3
from firmware_sim.message import Message
from firmware_sim.products.firmware import Life, Quiet, Traits
from firmware_sim.products.surroundings import Surroundings

APPLICATION, TENANT = "wayside-weather", "ttn"
WEATHER_PORT = 2
FRAMES_MAX = 1 << 32
MS = 1_000_000  # nanoseconds
AIR_LATENCY_MS = 230  # from the end of a transmission to the stack's own message


class WeatherStation(Quiet):
    """LoRaWAN class A: joins, sends some bytes and sleeps; it never knows the time, the network server does."""

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

    def born(self, life: Life, /) -> Iterable[Message]:
        """Accepted: a new address, a new session, frames from 0."""
        self._end = self._joined_as(life.draws.getrandbits(20))
        self._session = base64.b64encode(life.draws.randbytes(16)).decode()
        self._frames = 0
        at_ns = life.true_ms * MS
        yield ttn_v3.join_accept(self._end, TENANT, ttn_v3.correlation_ids(life.true_ms, life.draws), ttn_v3.stamp(at_ns), self._session)

    def report(self, life: Life, /) -> Iterable[Message]:
        """An uplink in Cayenne LPP."""
        air = life.sense("air", lambda: self._around.air(life.now_ms))
        entries = (
            cayenne_lpp.Entry(1, cayenne_lpp.TEMPERATURE, air.temperature_c),
            cayenne_lpp.Entry(2, cayenne_lpp.HUMIDITY, air.humidity_pct),
            cayenne_lpp.Entry(3, cayenne_lpp.PRESSURE, air.pressure_hpa),
            cayenne_lpp.Entry(4, cayenne_lpp.LUMINOSITY, air.illuminance_lx),
            cayenne_lpp.Entry(5, cayenne_lpp.ANALOG_IN, air.rain_mm_h),
        )
        # The stack's nanoseconds are drawn: two uplinks never arrive in the same one.
        received_ns = (life.true_ms + AIR_LATENCY_MS) * MS + life.draws.randrange(MS)
        correlation = ttn_v3.correlation_ids(life.true_ms, life.draws)
        yield ttn_v3.uplink(self._end, TENANT, correlation, ttn_v3.stamp(received_ns), self._uplink(life, entries))
        self._frames = (self._frames + 1) % FRAMES_MAX

    def _joined_as(self, address: int) -> ttn_v3.EndDevice:
        eui = self.device.upper()
        return ttn_v3.EndDevice(f"eui-{self.device}", APPLICATION, eui, "70B3D57ED0000000", f"260{address:05X}")

    def _uplink(self, life: Life, entries: tuple[cayenne_lpp.Entry, ...]) -> ttn_v3.Uplink:
        heard_ns = life.true_ms * MS
        counter = heard_ns // 1000 % (1 << 32)
        moment, server_moment = ttn_v3.stamp(heard_ns, 6), ttn_v3.stamp(heard_ns + 32 * MS)
        channel = self._frames % 8
        token = base64.b64encode(b"\n\x22\n \n\x14" + life.draws.randbytes(24)).decode()
        rx = ttn_v3.Rx(
            gateway_id="eui-a84041ffff1e0001",
            eui="A84041FFFF1E0001",
            rssi=life.draws.randint(-118, -70),
            snr=life.draws.randint(-60, 100) / 10,
            timestamp=counter,
            channel_index=channel,
            frequency_offset=str(life.draws.randint(-900, 900)),
            uplink_token=token,
            time=moment,
            received_at=server_moment,
        )
        radio = ttn_v3.Radio(spreading_factor=7 + self._number % 4, frequency=str(867_100_000 + 200_000 * channel))
        payload, decoded = cayenne_lpp.encode(entries), cayenne_lpp.decoded_payload(entries)
        return ttn_v3.Uplink(
            self._session, WEATHER_PORT, self._frames, payload, decoded, (rx,), radio, moment, counter, ttn_v3.stamp(heard_ns + 40 * MS)
        )


class Camera(Quiet):
    """A footfall counter: Frigate behind a camera. Of people it tells how many, and of each a box without a face."""

    traits = Traits(every_ms=5_000, boot_ms=9_000, join_ms=600, epoch_ms=None)
    reported = 2

    def __init__(self, number: int, around: Surroundings) -> None:
        self.device = f"camera-{number:05d}"
        self._around = around

    def born(self, _life: Life, /) -> Iterable[Message]:
        """The service is there."""
        return (frigate.available(lives=True),)

    def report(self, life: Life, /) -> Iterable[Message]:
        """The number in view, and the last of them to move."""
        people = life.sense("people", lambda: self._around.people(life.now_ms))
        yield frigate.count(self.device, "person", people)
        now_s = life.clock_ms / 1000
        left, top = life.draws.randint(0, 900), life.draws.randint(0, 400)
        score = round(life.draws.uniform(0.7, 0.97), 6)
        name = f"{now_s - 4:.6f}-{life.draws.getrandbits(24):06x}"
        before = frigate.Tracked(name, now_s - 4, now_s - 1, (left, top, left + 110, top + 210), score, score)
        after = before._replace(frame_s=now_s, box=(left + 8, top, left + 118, top + 210))
        yield frigate.person(self.device, "update", before, after)

    def gone(self, _life: Life, /) -> Iterable[Message]:
        """The broker publishes the service's will."""
        return (frigate.available(lives=False),)


class SparkplugTill(Quiet):
    """A till behind an edge node: its sales and the temperature of its cold counter."""

    traits = Traits(every_ms=10_000, boot_ms=5_000, join_ms=500, epoch_ms=None)
    reported = 1

    def __init__(self, number: int, around: Surroundings) -> None:
        self.device = f"edge-{number:05d}"
        self._around = around
        self._bd_seq, self._seq = -1, 0
        self._sold_minor = self._sales = 0

    def born(self, life: Life, /) -> Iterable[Message]:
        """The node first, then the till behind it with everything that it will ever tell."""
        self._bd_seq, self._seq = (self._bd_seq + 1) % (sparkplug_b.SEQ_LAST + 1), 0
        yield sparkplug_b.birth(self._around.site, self.device, life.clock_ms, self._bd_seq)
        hardware = sparkplug_b.Metric("Properties/Hardware Make", sparkplug_b.STRING, "Wayside", life.clock_ms)
        yield self._said("DBIRTH", life, [hardware, *self._metrics(life)])

    def report(self, life: Life, /) -> Iterable[Message]:
        """A sale, more or less."""
        if life.draws.random() < 0.4:
            self._sales += 1
            self._sold_minor += life.draws.randrange(150, 1500, 10)
        yield self._said("DDATA", life, self._metrics(life))

    def gone(self, life: Life, /) -> Iterable[Message]:
        """The broker publishes the node's death."""
        return (sparkplug_b.death(self._around.site, self.device, life.clock_ms, self._bd_seq),)

    def _metrics(self, life: Life) -> list[sparkplug_b.Metric]:
        cold_c = life.sense("cold", lambda: 4.0 + 0.1 * self._around.air(life.now_ms).temperature_c)
        at_ms = life.clock_ms
        return [
            sparkplug_b.Metric("Sales/Count", sparkplug_b.UINT32, self._sales, at_ms),
            sparkplug_b.Metric("Sales/Total", sparkplug_b.UINT64, self._sold_minor, at_ms),
            sparkplug_b.Metric("Cold Counter/Temperature", sparkplug_b.FLOAT, cold_c, at_ms, unit="°C"),
        ]

    def _said(self, kind: str, life: Life, metrics: list[sparkplug_b.Metric]) -> Message:
        self._seq = (self._seq + 1) % (sparkplug_b.SEQ_LAST + 1)
        body = sparkplug_b.payload(life.clock_ms, metrics, self._seq)
        return sparkplug_b.message(self._around.site, kind, self.device, body, "till")


class CityFeed(Quiet):
    """A city's platform: crowds and weather of one place in turn, as linked data. It sits in a data centre with the time."""

    traits = Traits(every_ms=60_000, boot_ms=1_000, join_ms=200, epoch_ms=None)
    reported = 1

    def __init__(self, number: int, around: Surroundings) -> None:
        self.device = f"{around.site}_{number:05d}"
        self._around = around
        self._told_ms = 0
        self._turn = 0

    def born(self, life: Life, /) -> Iterable[Message]:
        """A platform does not announce itself."""
        self._told_ms = life.clock_ms
        return ()

    def report(self, life: Life, /) -> Iterable[Message]:
        """A crowd, then the weather, then a crowd."""
        latitude, longitude = self._around.spot(life.now_ms)
        self._turn += 1
        if self._turn % 2:
            people = life.sense("people", lambda: self._around.people(life.now_ms))
            line = [(round(longitude, 6), round(latitude, 6)), (round(longitude + 0.001, 6), round(latitude, 6))]
            yield ngsi_ld.crowd(self.device, self._told_ms, life.clock_ms, people, (people + 1) // 2, line)
            self._told_ms = life.clock_ms
        else:
            air = life.sense("air", lambda: self._around.air(life.now_ms))
            spot = (round(longitude, 6), round(latitude, 6))
            yield ngsi_ld.weather(self.device, life.clock_ms, spot, air.temperature_c, air.humidity_pct, air.rain_mm_h)
