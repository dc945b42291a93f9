"""The observations of one received advertisement, the same for every gateway."""

from __future__ import annotations

from gateway.core.types import Observation, Reading, Sighting, Status
from gateway.decoders.bluetooth.advertisement import Advertisement
from gateway.decoders.contract import UNSTATED


def radio_observations(
    hearer: str,
    device: str | None,
    rssi_dbm: float | None,
    advertisement: Advertisement,
    at_ms: int | None = None,
    *,
    distance_m: float | None = None,
    tx_power_dbm: float | None = None,
) -> list[Observation]:
    """The sighting of a radio, and the readings of its sensor.

    The sighting names the beacon where there is one, because its identity outlives its radio address; readings belong
    to the address. Without an rssi there is a `Status` instead of a sighting, and without any id only readings, of
    UNSTATED. `tx_power_dbm` is the gateway's value, for an advertisement that states none.
    """
    device = device or advertisement.mac
    radio = advertisement.beacon or device
    observations: list[Observation] = []
    if radio is not None and rssi_dbm is None:
        observations.append(Status(radio, at_ms=at_ms, uptime_s=advertisement.uptime_s))
    elif radio is not None and rssi_dbm is not None:
        stated = tx_power_dbm if advertisement.tx_power_dbm is None else advertisement.tx_power_dbm
        observations.append(Sighting(hearer, radio, rssi_dbm, at_ms, distance_m, stated))
    owner = device or radio or UNSTATED
    observations += [Reading(_part(owner, one.part), one.quantity, one.value, at_ms) for one in advertisement.readings]
    return observations


def _part(device: str, part: int) -> str:
    return device if part == 1 else f"{device}/{part}"
