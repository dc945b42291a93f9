"""LORIOT: uplinks of LoRaWAN devices (https://docs.loriot.io/display/LNS/Uplink+Data+Message).

`rx` is an uplink, and `gw` the same uplink with every gateway that received it: of `gw` only the radio link is read, or
people would be counted twice. `txd` and the other commands are about the network and give nothing. `bat` is a byte of
the network layer, not a percentage, and is not read.
"""

from __future__ import annotations

import msgspec

from gateway.core import limits
from gateway.core.types import Message, Observation
from gateway.decoders.contract import PLACED, Decoder, parse_json, refuse, text
from gateway.decoders.lorawan.uplink import Uplink, from_hex, link, links_in, port_or_none, uplink_observations
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
    """The readings of an uplink and of its radio link.

    Raises DecodeError: "unknown_kind" for another `cmd`, "missing_field" or "wrong_shape" for the DevEUI or the data.
    """
    sent = parse_json(message.payload, _SENT)
    kind = text(sent.cmd, "cmd")
    if kind == "gw":
        return uplink_observations(Uplink(eui(sent.eui, "EUI"), _at_ms(sent.ts), links=links_in(sent.gws, "rssi", "snr", "lsnr")))
    if kind == "rx":
        device, port = eui(sent.eui, "EUI"), port_or_none(sent.port)
        links = (*links_in(sent.gws, "rssi", "snr", "lsnr"), link(sent.rssi, sent.snr))
        return uplink_observations(Uplink(device, _at_ms(sent.ts), sent.decoded, from_hex(sent.data, "data"), port, links))
    if kind not in _SILENT:
        refuse("unknown_kind", "cmd is not one of LORIOT's commands")
    return []


def _at_ms(stated: object) -> int | None:
    if isinstance(stated, bool) or not isinstance(stated, int) or not 0 <= stated <= limits.CLOCK_CEILING_MS:
        return None
    return stated


DECODER = Decoder("loriot", (), decode, kinds=PLACED)
