"""What it means that one radio heard another: the same observations, whichever gateway tells of it."""

from __future__ import annotations

from gateway.core.types import Observation, Reading, Sighting, Status
from gateway.decoders.bluetooth.advertisement import Advertisement
from gateway.decoders.contract import UNSTATED


def observed(
    hearer: str,
    device: str | None,
    rssi_dbm: float | None,
    said: Advertisement,
    at_ms: int | None = None,
    *,
    distance_m: float | None = None,
    tx_power_dbm: float | None = None,
) -> list[Observation]:
    """The sighting of a radio and what it measured; without the sighting, when nobody knows which radio it was.

    A beacon's identity outlives its radio address, so the sighting names the beacon, while measurements belong
    to the address. Heard, but not how strongly: that is no sighting, only a sign of life. `tx_power_dbm` is what
    the gateway believes where the advertisement does not tell.
    """
    device = device or said.mac
    heard = said.beacon or device
    observations: list[Observation] = []
    if heard is not None and rssi_dbm is None:
        observations.append(Status(heard, at_ms=at_ms, uptime_s=said.uptime_s))
    elif heard is not None and rssi_dbm is not None:
        stated = tx_power_dbm if said.tx_power_dbm is None else said.tx_power_dbm
        observations.append(Sighting(hearer, heard, rssi_dbm, at_ms, distance_m, stated))
    owner = device or heard or UNSTATED
    observations += [Reading(_part(owner, one.part), one.quantity, one.value, at_ms) for one in said.readings]
    return observations


def _part(device: str, part: int) -> str:
    return device if part == 1 else f"{device}/{part}"
