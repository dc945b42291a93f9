"""LoRaWAN gateways with a network server inside, which post JSON to an application of one's own (Milesight's, for one).

The shape is that of the first ChirpStack releases: `devEUI`, `data` in base64, `rxInfo` of the gateways. Where
they publish by MQTT the topic is free, so the device is the one in the payload; the gateway sent both.
Join and acknowledgement notices have the same fields without `data` and are signs of life.
"""

from __future__ import annotations

import msgspec

from gateway.core.types import Message, Observation
from gateway.decoders.contract import Decoder, parse_json
from gateway.decoders.lorawan import Uplink, eui, from_base64, links_in, observed, port_or_none
from gateway.decoders.times import iso_ms


class _Sent(msgspec.Struct, gc=False):
    dev_eui: object = msgspec.field(default=None, name="devEUI")
    time: object = None
    port: object = msgspec.field(default=None, name="fPort")
    data: object = None
    decoded: object = msgspec.field(default=None, name="object")
    heard_by: object = msgspec.field(default=None, name="rxInfo")


_SENT: msgspec.json.Decoder[_Sent] = msgspec.json.Decoder(_Sent)


def decode(message: Message) -> list[Observation]:
    """Readings of an uplink and of its radio link."""
    sent = parse_json(message.payload, _SENT)
    return observed(
        Uplink(
            eui(sent.dev_eui, "devEUI"),
            iso_ms(sent.time),
            sent.decoded,
            from_base64(sent.data, "data"),
            port_or_none(sent.port),
            links_in(sent.heard_by, "rssi", "loRaSNR", "snr"),
        )
    )


DECODER = Decoder("http_gateway_json", (), decode)
