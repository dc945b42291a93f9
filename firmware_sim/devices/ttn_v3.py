"""The Things Stack v3: messages of a LoRaWAN network server about its devices (thethingsindustries.com, "Data Formats").

The device itself sends only `frm_payload` on a port, with a frame counter; the server adds the rest: ids, receiving gateways
with signal levels, radio settings and airtime. Times have nine digits after the point, bytes are base64.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

import msgspec

from firmware_sim.message import Message

FORMAT = "ttn_v3"
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
OVERHEAD_BYTES = 13  # LoRaWAN's header, port and integrity code around the payload
PREAMBLE_SYMBOLS = 12.25  # eight, and LoRa's own 4.25
LOW_RATE_FROM = 11  # spreading factors with low data rate optimisation


class EndDevice(NamedTuple):
    """Ids of a device at the server."""

    device_id: str
    application_id: str
    dev_eui: str
    join_eui: str
    dev_addr: str

    def ids(self) -> dict[str, object]:
        """The ids as every message contains them."""
        application = {"application_id": self.application_id}
        euis = {"dev_eui": self.dev_eui, "join_eui": self.join_eui, "dev_addr": self.dev_addr}
        return {"device_id": self.device_id, "application_ids": application, **euis}


class Rx(NamedTuple):
    """Reception of an uplink by one gateway; `timestamp` is the microsecond counter of that gateway."""

    gateway_id: str
    eui: str
    rssi: int
    snr: float
    timestamp: int
    channel_index: int
    frequency_offset: str
    uplink_token: str
    time: str
    received_at: str


class Radio(NamedTuple):
    """Radio settings of an uplink."""

    spreading_factor: int = 7
    bandwidth: int = 125_000
    coding_rate: str = "4/5"
    frequency: str = "868100000"


class Network(NamedTuple):
    """Ids of the network that received the uplink."""

    net_id: str = "000013"
    tenant_id: str = "ttn"
    cluster_id: str = "eu1"
    cluster_address: str = "eu1.cloud.thethings.network"


class Uplink(NamedTuple):
    """Content of one uplink message."""

    session_key_id: str
    f_port: int
    f_cnt: int
    frm_payload: bytes
    decoded_payload: Mapping[str, object] | None
    heard: Sequence[Rx]
    radio: Radio
    time: str
    timestamp: int
    received_at: str
    network: Network | None = Network()
    airtime: str | None = None


def airtime_s(payload_bytes: int, radio: Radio) -> float:
    """Airtime of `payload_bytes` in seconds (Semtech AN1200.13, explicit header, CRC on)."""
    factor, thinned = radio.spreading_factor, 2 * (radio.spreading_factor >= LOW_RATE_FROM)
    bits = 8 * (payload_bytes + OVERHEAD_BYTES) - 4 * factor + 28 + 16
    symbols = 8 + max(0, math.ceil(bits / (4 * (factor - thinned)))) * int(radio.coding_rate[2:])
    return round((PREAMBLE_SYMBOLS + symbols) * (1 << factor) / radio.bandwidth, 6)


def uplink_object(uplink: Uplink) -> dict[str, object]:
    """The object `uplink_message`, with its keys in the stack's order."""
    radio, network = uplink.radio, uplink.network
    lora = {"bandwidth": radio.bandwidth, "spreading_factor": radio.spreading_factor, "coding_rate": radio.coding_rate}
    fields: dict[str, object] = {
        "session_key_id": uplink.session_key_id,
        "f_port": uplink.f_port,
        "f_cnt": uplink.f_cnt,
        "frm_payload": base64.b64encode(uplink.frm_payload).decode(),
    }
    if uplink.decoded_payload is not None:
        fields["decoded_payload"] = uplink.decoded_payload
    fields["rx_metadata"] = [_rx(rx) for rx in uplink.heard]
    fields["settings"] = {"data_rate": {"lora": lora}, "frequency": radio.frequency, "timestamp": uplink.timestamp, "time": uplink.time}
    fields["received_at"] = uplink.received_at
    if network is not None:
        fields["consumed_airtime"] = uplink.airtime or f"{airtime_s(len(uplink.frm_payload), radio):.6f}s"
        fields["network_ids"] = network._asdict()
    return fields


def _rx(rx: Rx) -> dict[str, object]:
    return {
        "gateway_ids": {"gateway_id": rx.gateway_id, "eui": rx.eui},
        "time": rx.time,
        "timestamp": rx.timestamp,
        "rssi": rx.rssi,
        "channel_rssi": rx.rssi,
        "snr": rx.snr,
        "frequency_offset": rx.frequency_offset,
        "uplink_token": rx.uplink_token,
        "channel_index": rx.channel_index,
        "received_at": rx.received_at,
    }


def message(device: EndDevice, tenant: str, branch: str, kind: str, fields: Mapping[str, object]) -> Message:
    """Message about a device, on `v3/{application}@{tenant}/devices/{device}/{branch}`."""
    topic = f"v3/{device.application_id}@{tenant}/devices/{device.device_id}/{branch}"
    return Message(topic, msgspec.json.encode(fields), FORMAT, kind)


def uplink(device: EndDevice, tenant: str, correlation: Sequence[str], received_at: str, content: Uplink) -> Message:
    """Message of one uplink."""
    head = {"end_device_ids": device.ids(), "correlation_ids": list(correlation), "received_at": received_at}
    return message(device, tenant, "up", "reading", {**head, "uplink_message": uplink_object(content)})


def join_accept(device: EndDevice, tenant: str, correlation: Sequence[str], received_at: str, session_key_id: str) -> Message:
    """Message of an accepted join; frame counters restart at 0."""
    head = {"end_device_ids": device.ids(), "correlation_ids": list(correlation), "received_at": received_at}
    accepted = {"session_key_id": session_key_id, "received_at": received_at}
    return message(device, tenant, "join", "status", {**head, "join_accept": accepted})


def correlation_ids(at_ms: int, draws: Random) -> list[str]:
    """Ids by which the parts of the stack trace one uplink: a ULID each."""
    parts = ("as:up", "gs:conn", "gs:up:host", "gs:uplink", "ns:uplink", "rpc:/ttn.lorawan.v3.GsNs/HandleUplink")
    return [f"{part}:{ulid(at_ms, draws)}" for part in (*parts, "rpc:/ttn.lorawan.v3.NsAs/HandleUplink")]


def ulid(at_ms: int, draws: Random) -> str:
    """48 bits of time and 80 random bits in Crockford's base 32."""
    number = at_ms << 80 | draws.getrandbits(80)
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def stamp(at_ns: int, digits: int = 9) -> str:
    """RFC 3339 time in UTC with `digits` digits of a second."""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}"[: 20 + digits] + "Z"
