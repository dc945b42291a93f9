"""LORIOT: uplinks of LoRaWAN devices (https://docs.loriot.io/display/LNS/Uplink+Data+Message).

`rx` is an uplink, `gw` the same uplink once more with every gateway that heard it: only its radio link is read,
or people would be counted twice. `txd` and the other commands are the network's own and say nothing of the
device. `bat` is the network layer's byte and not a percentage, so it is not read.
"""

from __future__ import annotations

import msgspec

from gateway.core import limits
from gateway.core.types import Message, Observation
from gateway.decoders.contract import Decoder, parse_json, refuse, text
from gateway.decoders.lorawan.uplink import Uplink, from_hex, link, links_in, observed, port_or_none
from gateway.decoders.values.radio_ids import eui

_SILENT = frozenset({"tx", "txd", "mtx", "join", "cq", "ping"})


class _Sent(msgspec.Struct, gc=False):
    cmd: object = None
    eui: object = msgspec.field(default=None, name="EUI")
    ts: object = None
    port: object = None
    data: object = None
    decoded: object = None
    rssi: object = None
    snr: object = None
    gws: object = None


_SENT: msgspec.json.Decoder[_Sent] = msgspec.json.Decoder(_Sent)


def decode(message: Message) -> list[Observation]:
    """Readings of an uplink and of its radio link."""
    sent = parse_json(message.payload, _SENT)
    kind = text(sent.cmd, "cmd")
    if kind == "gw":
        return observed(Uplink(eui(sent.eui, "EUI"), _at_ms(sent.ts), links=links_in(sent.gws, "rssi", "snr", "lsnr")))
    if kind == "rx":
        device, port = eui(sent.eui, "EUI"), port_or_none(sent.port)
        heard = (*links_in(sent.gws, "rssi", "snr", "lsnr"), link(sent.rssi, sent.snr))
        return observed(Uplink(device, _at_ms(sent.ts), sent.decoded, from_hex(sent.data, "data"), port, heard))
    if kind not in _SILENT:
        refuse("unknown_kind", "cmd is not one of LORIOT's own")
    return []


def _at_ms(stated: object) -> int | None:
    if isinstance(stated, bool) or not isinstance(stated, int) or not 0 <= stated <= limits.CLOCK_CEILING_MS:
        return None
    return stated


DECODER = Decoder("loriot", (), decode)
