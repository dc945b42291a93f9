"""Single advertisements by the name of their form: for `wayside decode`, for whoever looks into one by hand.

On the road no message is a bare advertisement; there a gateway's message carries it, and that message's decoder
asks `advertisement.understand()`. A form tells how the bytes were taken down (as the radio reported them, as AD
structures, as the data of one service or maker) and what has to be in them to be of that form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gateway.core.types import Observation
from gateway.decoders.bluetooth import bthome, minew, qingping
from gateway.decoders.bluetooth.advertisement import Advertisement, understand
from gateway.decoders.bluetooth.beacons import EDDYSTONE
from gateway.decoders.bluetooth.frames import Frame, frame_of, short_uuid
from gateway.decoders.bluetooth.radio_observations import observed
from gateway.decoders.bluetooth.ruuvi import COMPANY as RUUVI
from gateway.decoders.contract import NO_KEYS, UNSTATED, Keys, refuse
from gateway.decoders.values.radio_ids import IBEACON_PREFIX


class Heard(NamedTuple):
    """The bytes, and what is known beside them."""

    payload: bytes
    mac: str | None = None
    rssi_dbm: float | None = None
    service_uuid: str = ""
    name: str = ""
    key: bytes | None = None


class _Form(NamedTuple):
    """`take` makes a frame of the bytes; `wanted` tells whether what was understood is of this form."""

    take: Callable[[Heard], tuple[Frame, float | None]]
    wanted: Callable[[Advertisement], bool]


def decode_form(name: str, heard: Heard) -> list[Observation]:
    """The observations of one advertisement, or `DecodeError` when it is not of the form called `name`."""
    form = FORMS[name]
    frame, rssi_dbm = form.take(heard)
    said = understand(frame, _keys(heard, frame))
    if not form.wanted(said) and not (form is FORMS["ble_hci_adv"] and _is_strange(frame)):
        refuse("unknown_kind", f"not understood as {name}")
    return observed(UNSTATED, frame.mac, rssi_dbm, said)


def _keys(heard: Heard, frame: Frame) -> Keys:
    """The one key is that of the one device that is heard."""
    return NO_KEYS if heard.key is None or frame.mac is None else {frame.mac: heard.key}


def _is_strange(frame: Frame) -> bool:
    """Of a format that nobody here reads: then at least the radio was heard. One of our own that fails is broken."""
    return not any(uuid in _READ for uuid, _ in frame.services)


_READ = (bthome.V2, bthome.V1_PLAIN, bthome.V1_ENCRYPTED, EDDYSTONE, minew.SERVICE, qingping.SERVICE)
_HCI_REPORT = bytes.fromhex("043e")
_LEGACY, _EXTENDED = 0x02, 0x0D
_LEGACY_AT = (7, 13, 14)  # address, length, data; the strength stands behind the data
_EXTENDED_AT = (8, 28, 29)
_EXTENDED_RSSI_AT = 18


def _hci(heard: Heard) -> tuple[Frame, float | None]:
    """An LE (Extended) Advertising Report event with one report (Bluetooth Core, volume 4, part E, 7.7.65)."""
    report = heard.payload
    if not report.startswith(_HCI_REPORT) or len(report) < 15 or report[3] not in (_LEGACY, _EXTENDED):
        refuse("wrong_shape", "not an advertising report of the radio")
    mac_at, size_at, data_at = _LEGACY_AT if report[3] == _LEGACY else _EXTENDED_AT
    if len(report) <= data_at or len(report) < data_at + report[size_at]:
        refuse("wrong_shape", "the report is cut off")
    end = data_at + report[size_at]
    rssi_at = _EXTENDED_RSSI_AT if report[3] == _EXTENDED else end
    strength = report[rssi_at] - 256.0 if rssi_at < len(report) and report[rssi_at] > 128 else None
    return frame_of(report[data_at:end], report[mac_at : mac_at + 6][::-1].hex()), strength


def _structures(heard: Heard) -> tuple[Frame, float | None]:
    return frame_of(heard.payload, heard.mac), heard.rssi_dbm


def _service(*usual: str) -> Callable[[Heard], tuple[Frame, float | None]]:
    def take(heard: Heard) -> tuple[Frame, float | None]:
        stated = short_uuid(heard.service_uuid)
        uuids = (stated,) if len(stated) in (4, 32) else usual
        return Frame(heard.mac, (), tuple((uuid, heard.payload) for uuid in uuids), uuids, heard.name), heard.rssi_dbm

    return take


def _bthome_v1(heard: Heard) -> tuple[Frame, float | None]:
    """Its two services are told apart by whether there is a key."""
    return _service(bthome.V1_ENCRYPTED if heard.key else bthome.V1_PLAIN)(heard)


def _manufacturer(*companies: int) -> Callable[[Heard], tuple[Frame, float | None]]:
    """Manufacturer data, with the company id where `companies` is empty."""

    def take(heard: Heard) -> tuple[Frame, float | None]:
        contents = tuple(company.to_bytes(2, "little") + heard.payload for company in companies) or (heard.payload,)
        return Frame(heard.mac, contents, (), (), heard.name), heard.rssi_dbm

    return take


def _anything(said: Advertisement) -> bool:
    return said.understood


def _any_beacon(said: Advertisement) -> bool:
    return said.beacon is not None


def _an_ibeacon(said: Advertisement) -> bool:
    return said.beacon is not None and said.beacon.startswith(IBEACON_PREFIX)


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
