"""Theengs Gateway and OpenMQTTGateway: a scanner that decodes the advertisements of some hundred brands.

One message per advertisement on `home/{gateway}/BTtoMQTT/{MAC}` with Theengs' names (decoder.theengs.io): `tempc` and `tempf`,
`hum`, `batt`. Unknown advertisements are passed on unchanged, in hex. `LWT` holds birth and last will of a gateway.
"""

from __future__ import annotations

import msgspec

from firmware_sim.devices.ble import Advertisement, colons
from firmware_sim.message import Message

FORMAT = "theengs_gateway_mqtt"
_MAC_RANDOM = 1


def sighting(gateway: str, advert: Advertisement, rssi_dbm: float) -> Message:
    """Decoded iBeacon, or an advertisement of an unknown brand."""
    fields: dict[str, object] = {"id": colons(advert.address), "mac_type": _MAC_RANDOM, "rssi": round(rssi_dbm)}
    beacon = advert.ibeacon
    if beacon is not None:
        fields |= {
            "brand": "GENERIC",
            "model": "iBeacon",
            "model_id": "IBEACON",
            "mfid": "4c00",
            "uuid": beacon.uuid.replace("-", ""),
            "major": beacon.major,
            "minor": beacon.minor,
            "txpower": beacon.power_dbm,
        }
    return _message(gateway, advert.address, fields, "sighting")


def alive(gateway: str, *, is_online: bool) -> Message:
    """Birth or last will of the gateway; retained."""
    return Message(f"home/{gateway}/LWT", b"online" if is_online else b"offline", FORMAT, "status", retain=True)


def climate(
    gateway: str, address: bytes, rssi_dbm: float, packet: int, battery_pct: int, temperature_c: float, humidity_pct: float
) -> Message:
    """Decoded BTHome climate sensor (April Brother's N07; °C, %)."""
    fields = {
        "id": colons(address),
        "rssi": round(rssi_dbm),
        "brand": "April Brother",
        "model": "N07",
        "model_id": "ABN07",
        "type": "THB",
        "acts": True,
        "track": True,
        "batt": battery_pct,
        "tempc": round(temperature_c, 2),
        "tempf": round(temperature_c * 9 / 5 + 32, 3),
        "hum": round(humidity_pct, 2),
        "packet": packet % 256,
    }
    return _message(gateway, address, fields, "reading")


def _message(gateway: str, address: bytes, fields: dict[str, object], kind: str) -> Message:
    return Message(f"home/{gateway}/BTtoMQTT/{address.hex().upper()}", msgspec.json.encode(fields), FORMAT, kind)
