"""Actility ThingPark: uplinks, locations and notices of LoRaWAN devices, as JSON or XML.

A message is one object: `DevEUI_uplink`, `DevEUI_location` or `DevEUI_notification`. The tunnel interface states
numbers as texts, also in JSON ("LRC-AS Tunnel Interface Developer Guide"). `Lrrs` holds the radio link of every
gateway, and the uplink itself the best of them; `payload` is the object decoded by ThingPark's driver, and `DriverCfg`
names the model of the sensor. Downlinks hold nothing that is kept.
"""

from __future__ import annotations

from typing import Any

from gateway.core.types import Message, Observation, Status
from gateway.decoders.contract import PLACED, Decoder, parse_json, refuse
from gateway.decoders.lorawan.javascript import Codecs
from gateway.decoders.lorawan.uplink import Link, Uplink, from_hex, link, links_in, port_or_none, position, uplink_observations
from gateway.decoders.values.radio_ids import eui
from gateway.decoders.values.times import iso_ms
from gateway.decoders.values.xml_payload import local_name, root_of

_SILENT = frozenset({"DevEUI_downlink", "DevEUI_downlink_Sent", "DevEUI_downlink_Rejected", "DevEUI_multicast_summary"})


def decode(message: Message, codecs: Codecs = ()) -> list[Observation]:
    """The readings of an uplink, a position or a status.

    Raises DecodeError: "unknown_kind" for another object, "wrong_shape", "missing_field" or "out_of_range" for its
    fields, and for JSON or XML that is none.
    """
    is_xml = message.payload.lstrip()[:1] == b"<"
    document = _xml(root_of(message.payload)) if is_xml else parse_json(message.payload)
    if not isinstance(document, dict):
        refuse("wrong_shape", "the payload must be an object")
    if not _SILENT.isdisjoint(document):
        return []
    kind = next((kind for kind in (_UPLINK, *_KINDS) if kind in document), None)
    if kind is None:
        refuse("unknown_kind", f"the object must be one of {', '.join((_UPLINK, *_KINDS))}")
    report = document[kind]
    if not isinstance(report, dict):
        refuse("wrong_shape", f"{kind} must be an object")
    device = eui(report.get("DevEUI"), "DevEUI")
    return uplink_observations(_uplink(device, report), codecs) if kind == _UPLINK else _KINDS[kind](device, report)


def _uplink(device: str, report: dict[str, Any]) -> Uplink:
    return Uplink(
        device,
        iso_ms(report.get("Time")),
        report.get("payload"),
        from_hex(report.get("payload_hex"), "payload_hex"),
        port_or_none(report.get("FPort")),
        _links(report),
        _model(report),
    )


def _links(report: dict[str, Any]) -> tuple[Link, ...]:
    gateways = report.get("Lrrs")
    rows = gateways.get("Lrr") if isinstance(gateways, dict) else None
    links = links_in(rows if isinstance(rows, list) else [rows], "LrrRSSI", "LrrSNR")
    return (*links, link(report.get("LrrRSSI"), report.get("LrrSNR")))


def _model(report: dict[str, Any]) -> str | None:
    driver = report.get("DriverCfg")
    module = driver.get("mod") if isinstance(driver, dict) else None
    model = module.get("mId") if isinstance(module, dict) else None
    return model if isinstance(model, str) else None


def _place(device: str, report: dict[str, Any]) -> list[Observation]:
    at_ms = iso_ms(report.get("DevLocTime"))
    return [position(device, report.get("DevLAT"), report.get("DevLON"), at_ms, report.get("DevLocRadius"))]


def _notice(device: str, report: dict[str, Any]) -> list[Observation]:
    return [Status(device, at_ms=iso_ms(report.get("Time")))]


_UPLINK = "DevEUI_uplink"
_KINDS = {"DevEUI_location": _place, "DevEUI_notification": _notice}


def _xml(root: Any) -> dict[str, object]:
    return {local_name(root.tag): _element(root)}


def _element(element: Any) -> object:
    """An element as the same object in JSON: a text, an object, or an array where a name is repeated."""
    children = list(element)
    if not children:
        return element.text
    found: dict[str, Any] = {}
    for child in children:
        name, value = local_name(child.tag), _element(child)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


DECODER = Decoder("actility_thingpark", ("mqtt/things/+/uplink",), decode, kinds=PLACED, decode_coded=decode)
