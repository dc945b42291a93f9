"""Uplinks of LoRaWAN devices as bytes, port and model: for network servers and test suites without a format of their own.

    {"devEui": "24e124136b000001", "model": "EM300-TH", "fPort": 85, "bytes": "01755c0367340104686f", "time": "2026-09-21T13:33:20Z"}

`bytes` are hex digits; `data` may state them in base64 instead, `object` what a script made of them, and `rssi` and `snr` the radio link.
"""

from __future__ import annotations

import msgspec

from gateway.core.types import Message, Observation
from gateway.decoders.contract import PLACED, Decoder, parse_json
from gateway.decoders.lorawan.javascript import Codecs
from gateway.decoders.lorawan.uplink import Uplink, from_base64, from_hex, link, port_or_none, uplink_observations
from gateway.decoders.values.radio_ids import eui
from gateway.decoders.values.times import iso_ms


class _Sent(msgspec.Struct, gc=False):
    dev_eui: object = msgspec.field(default=None, name="devEui")
    model: object = None
    port: object = msgspec.field(default=None, name="fPort")
    bytes: object = None
    data: object = None
    decoded: object = msgspec.field(default=None, name="object")
    time: object = None
    rssi: object = None
    snr: object = None


_SENT: msgspec.json.Decoder[_Sent] = msgspec.json.Decoder(_Sent)


def decode(message: Message, codecs: Codecs = ()) -> list[Observation]:
    """The readings of one uplink and of its radio link, or a status.

    Raises DecodeError: "missing_field" or "wrong_shape" for the DevEUI or the bytes, and as `uplink_observations()` does.
    """
    sent = parse_json(message.payload, _SENT)
    payload = from_hex(sent.bytes, "bytes") or from_base64(sent.data, "data")
    model = sent.model if isinstance(sent.model, str) else None
    links = () if sent.rssi is None and sent.snr is None else (link(sent.rssi, sent.snr),)
    uplink = Uplink(eui(sent.dev_eui, "devEui"), iso_ms(sent.time), sent.decoded, payload, port_or_none(sent.port), links, model)
    return uplink_observations(uplink, codecs)


DECODER = Decoder("lorawan_bytes", (), decode, kinds=PLACED, decode_coded=decode)
