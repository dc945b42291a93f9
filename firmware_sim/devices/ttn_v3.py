"""The Things Stack v3: a LoRaWAN device as its network server tells of it (thethingsindustries.com, "Data Formats").

The device itself only sent `frm_payload` on a port, with a frame counter; everything else is what the server knows:
ids, which gateways heard it and how, the radio's settings, how long the air was taken. Times have nine digits
and bytes are base64.
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
OVERHEAD_BYTES = 13  # LoRaWAN's header, port and integrity code around the device's own bytes
PREAMBLE_SYMBOLS = 12.25  # eight, and LoRa's own 4.25
LOW_RATE_FROM = 11  # spreading factors at which LoRa's symbols are thinned out


class EndDevice(NamedTuple):
    """By which names the server knows a device."""

    device_id: str
    application_id: str
    dev_eui: str
    join_eui: str
    dev_addr: str

    def ids(self) -> dict[str, object]:
        """As every message states them."""
        application = {"application_id": self.application_id}
        euis = {"dev_eui": self.dev_eui, "join_eui": self.join_eui, "dev_addr": self.dev_addr}
        return {"device_id": self.device_id, "application_ids": application, **euis}


class Rx(NamedTuple):
    """How one gateway heard an uplink; `timestamp` is that gateway's own counter of microseconds."""

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
    """The settings that an uplink was sent with."""

    spreading_factor: int = 7
    bandwidth: int = 125_000
    coding_rate: str = "4/5"
    frequency: str = "868100000"


class Network(NamedTuple):
    """Which network served it."""

    net_id: str = "000013"
    tenant_id: str = "ttn"
    cluster_id: str = "eu1"
    cluster_address: str = "eu1.cloud.thethings.network"


class Uplink(NamedTuple):
    """Everything that one uplink's message says."""

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
    """How long the air was taken by a device's `payload_bytes` (Semtech AN1200.13, explicit header, CRC on)."""
    factor, thinned = radio.spreading_factor, 2 * (radio.spreading_factor >= LOW_RATE_FROM)
    bits = 8 * (payload_bytes + OVERHEAD_BYTES) - 4 * factor + 28 + 16
    symbols = 8 + max(0, math.ceil(bits / (4 * (factor - thinned)))) * int(radio.coding_rate[2:])
    return round((PREAMBLE_SYMBOLS + symbols) * (1 << factor) / radio.bandwidth, 6)


def uplink_object(uplink: Uplink) -> dict[str, object]:
    """The part `uplink_message`, in the order in which the stack writes it."""
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
    """Anything that the stack says of a device, on `v3/{application}@{tenant}/devices/{device}/{branch}`."""
    topic = f"v3/{device.application_id}@{tenant}/devices/{device.device_id}/{branch}"
    return Message(topic, msgspec.json.encode(fields), FORMAT, kind)


def uplink(device: EndDevice, tenant: str, correlation: Sequence[str], received_at: str, said: Uplink) -> Message:
    """A device has sent something."""
    head = {"end_device_ids": device.ids(), "correlation_ids": list(correlation), "received_at": received_at}
    return message(device, tenant, "up", "reading", {**head, "uplink_message": uplink_object(said)})


def join_accept(device: EndDevice, tenant: str, correlation: Sequence[str], received_at: str, session_key_id: str) -> Message:
    """A device has joined, and counts its frames from 0 again."""
    head = {"end_device_ids": device.ids(), "correlation_ids": list(correlation), "received_at": received_at}
    accepted = {"session_key_id": session_key_id, "received_at": received_at}
    return message(device, tenant, "join", "status", {**head, "join_accept": accepted})


def correlation_ids(at_ms: int, draws: Random) -> list[str]:
    """What the stack's parts call one uplink among themselves: a ULID each."""
    parts = ("as:up", "gs:conn", "gs:up:host", "gs:uplink", "ns:uplink", "rpc:/ttn.lorawan.v3.GsNs/HandleUplink")
    return [f"{part}:{ulid(at_ms, draws)}" for part in (*parts, "rpc:/ttn.lorawan.v3.NsAs/HandleUplink")]


def ulid(at_ms: int, draws: Random) -> str:
    """48 bits of time and 80 of chance in Crockford's 32 characters."""
    number = at_ms << 80 | draws.getrandbits(80)
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def stamp(at_ns: int, digits: int = 9) -> str:
    """RFC 3339 in UTC with so many digits of a second."""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}"[: 20 + digits] + "Z"
