"""Single captured advertisements by the name of the form, for `wayside decode`.

On a broker an advertisement is always part of a gateway's message, whose decoder calls `parse_advertisement()`. A form
names how the bytes were captured: as the radio reported them, as AD structures, or as the data of one service or maker.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gateway.core.types import Observation
from gateway.decoders.bluetooth import bthome, minew, qingping
from gateway.decoders.bluetooth.advertisement import Advertisement, parse_advertisement
from gateway.decoders.bluetooth.beacons import EDDYSTONE
from gateway.decoders.bluetooth.frames import Frame, frame_of, short_uuid
from gateway.decoders.bluetooth.radio_observations import radio_observations
from gateway.decoders.bluetooth.ruuvi import COMPANY as RUUVI
from gateway.decoders.contract import NO_KEYS, UNSTATED, Keys, refuse
from gateway.decoders.values.radio_ids import IBEACON_PREFIX


class Capture(NamedTuple):
    """The bytes of a capture, and the fields known beside the bytes."""

    payload: bytes
    mac: str | None = None
    rssi_dbm: float | None = None
    service_uuid: str = ""
    name: str = ""
    key: bytes | None = None


class _Form(NamedTuple):
    """`take` makes a frame and its rssi (dBm, or `None`) of a capture; `wanted` checks that the result is of this form."""

    take: Callable[[Capture], tuple[Frame, float | None]]
    wanted: Callable[[Advertisement], bool]


def decode_form(name: str, capture: Capture) -> list[Observation]:
    """The observations of one advertisement of the form called `name`.

    Raises DecodeError: "wrong_shape" for a report that is cut off, "unknown_kind" where the bytes are not of this form.
    """
    form = FORMS[name]
    frame, rssi_dbm = form.take(capture)
    parsed = parse_advertisement(frame, _keys(capture, frame))
    if not form.wanted(parsed) and not (form is FORMS["ble_hci_adv"] and _is_unread(frame)):
        refuse("unknown_kind", f"the bytes are of no known format of {name}")
    return radio_observations(UNSTATED, frame.mac, rssi_dbm, parsed)


def _keys(capture: Capture, frame: Frame) -> Keys:
    """The one key belongs to the one device of the capture."""
    return NO_KEYS if capture.key is None or frame.mac is None else {frame.mac: capture.key}


def _is_unread(frame: Frame) -> bool:
    """Whether its services are all of formats that are not read here. A frame of a format that is read, and yet unknown, is broken."""
    return not any(uuid in _READ for uuid, _ in frame.services)


_READ = (bthome.V2, bthome.V1_PLAIN, bthome.V1_ENCRYPTED, EDDYSTONE, minew.SERVICE, qingping.SERVICE)
_HCI_REPORT = bytes.fromhex("043e")
_LEGACY, _EXTENDED = 0x02, 0x0D
_LEGACY_AT = (7, 13, 14)  # address, length, data; the rssi follows the data
_EXTENDED_AT = (8, 28, 29)
_EXTENDED_RSSI_AT = 18


def _hci(capture: Capture) -> tuple[Frame, float | None]:
    """An LE (Extended) Advertising Report event with one report (Bluetooth Core Specification, volume 4, part E, 7.7.65)."""
    report = capture.payload
    if not report.startswith(_HCI_REPORT) or len(report) < 15 or report[3] not in (_LEGACY, _EXTENDED):
        refuse("wrong_shape", "the bytes must be an LE (Extended) Advertising Report event")
    mac_at, size_at, data_at = _LEGACY_AT if report[3] == _LEGACY else _EXTENDED_AT
    if len(report) <= data_at or len(report) < data_at + report[size_at]:
        refuse("wrong_shape", "the report is shorter than its length fields state")
    end = data_at + report[size_at]
    rssi_at = _EXTENDED_RSSI_AT if report[3] == _EXTENDED else end
    strength = report[rssi_at] - 256.0 if rssi_at < len(report) and report[rssi_at] > 128 else None
    return frame_of(report[data_at:end], report[mac_at : mac_at + 6][::-1].hex()), strength


def _structures(capture: Capture) -> tuple[Frame, float | None]:
    return frame_of(capture.payload, capture.mac), capture.rssi_dbm


def _service(*usual: str) -> Callable[[Capture], tuple[Frame, float | None]]:
    def take(capture: Capture) -> tuple[Frame, float | None]:
        stated = short_uuid(capture.service_uuid)
        uuids = (stated,) if len(stated) in (4, 32) else usual
        return Frame(capture.mac, (), tuple((uuid, capture.payload) for uuid in uuids), uuids, capture.name), capture.rssi_dbm

    return take


def _bthome_v1(capture: Capture) -> tuple[Frame, float | None]:
    """Version 1 has one service for plain and one for encrypted data; a key means encrypted."""
    return _service(bthome.V1_ENCRYPTED if capture.key else bthome.V1_PLAIN)(capture)


def _manufacturer(*companies: int) -> Callable[[Capture], tuple[Frame, float | None]]:
    """Manufacturer data, which begins with a company id where `companies` is empty."""

    def take(capture: Capture) -> tuple[Frame, float | None]:
        contents = tuple(company.to_bytes(2, "little") + capture.payload for company in companies) or (capture.payload,)
        return Frame(capture.mac, contents, (), (), capture.name), capture.rssi_dbm

    return take


def _anything(parsed: Advertisement) -> bool:
    return parsed.is_known


def _any_beacon(parsed: Advertisement) -> bool:
    return parsed.beacon is not None


def _an_ibeacon(parsed: Advertisement) -> bool:
    return parsed.beacon is not None and parsed.beacon.startswith(IBEACON_PREFIX)


_APPLE = 0x004C
FORMS: dict[str, _Form] = {
    "altbeacon_hci": _Form(_hci, _any_beacon),
    "altbeacon_lib_adv": _Form(_structures, _any_beacon),
    "ble_ad_structures": _Form(_structures, _anything),
    "ble_hci_adv": _Form(_hci, _anything),
    "ble_mfgdata": _Form(_manufacturer(minew.COMPANY, _APPLE), _anything),
    "ble_svcdata": _Form(_service(bthome.V2, minew.SERVICE), _anything),
    "bthome_v1_hci": _Form(_hci, _anything),
    "bthome_v1_svcdata": _Form(_bthome_v1, _anything),
    "bthome_v2_hci": _Form(_hci, _anything),
    "bthome_v2_svcdata": _Form(_service(bthome.V2), _anything),
    "eddystone_svcdata": _Form(_service(EDDYSTONE), _anything),
    "ibeacon_hci": _Form(_hci, _an_ibeacon),
    "ibeacon_mfgdata": _Form(_manufacturer(), _an_ibeacon),
    "ruuvi_mfgdata": _Form(_manufacturer(RUUVI), _anything),
}
