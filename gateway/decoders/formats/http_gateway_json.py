"""LoRaWAN gateways with a network server inside, which post JSON to an application (Milesight and others).

The shape is that of the first ChirpStack releases: `devEUI`, `data` in base64, `rxInfo` of the gateways. By MQTT the
topic is free, so the device is the one in the payload. Join and acknowledgement notices have the same fields without
`data` and become a status. Some of these gateways omit a dash of the date (`2020-0327T12:39:05Z`).
"""

from __future__ import annotations

import re

import msgspec

from gateway.core import limits
from gateway.core.types import Message, Observation
from gateway.decoders.contract import PLACED, Decoder, parse_json
from gateway.decoders.lorawan.uplink import Uplink, from_base64, links_in, port_or_none, uplink_observations
from gateway.decoders.values.radio_ids import eui
from gateway.decoders.values.times import iso_ms

_DASH_LEFT_OUT = re.compile(r"([0-9]{4}-[0-9]{2})([0-9]{2}T)", re.ASCII)


class _Sent(msgspec.Struct, gc=False):
    dev_eui: object = msgspec.field(default=None, name="devEUI")
    time: object = None
    port: object = msgspec.field(default=None, name="fPort")
    data: object = None
    decoded: object = msgspec.field(default=None, name="object")
    receptions: object = msgspec.field(default=None, name="rxInfo")


_SENT: msgspec.json.Decoder[_Sent] = msgspec.json.Decoder(_Sent)


def decode(message: Message) -> list[Observation]:
    """The readings of an uplink and of its radio link, or a status.

    Raises DecodeError: "missing_field" or "wrong_shape" for the DevEUI or the data.
    """
    sent = parse_json(message.payload, _SENT)
    return uplink_observations(
        Uplink(
            eui(sent.dev_eui, "devEUI"),
            _at_ms(sent.time),
            sent.decoded,
            from_base64(sent.data, "data"),
            port_or_none(sent.port),
            links_in(sent.receptions, "rssi", "loRaSNR", "snr"),
        )
    )


def _at_ms(stated: object) -> int | None:
    if isinstance(stated, str) and len(stated) <= limits.TEXT_CHARS_MAX:
        stated = _DASH_LEFT_OUT.sub(r"\1-\2", stated, count=1)
    return iso_ms(stated)


DECODER = Decoder("http_gateway_json", (), decode, kinds=PLACED)
