"""Published traces of BLE signal levels.

`ble_rssi_spachos`: a receiver on a table, transmitters at known distances or points, fifty to a hundred levels each.
`ble_rssi_library`: thirteen beacons, a person walking from cell to cell, one level per beacon and moment, -200 where nothing
was received.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.float64]

DISTANCE_M_MIN = 0.5  # the far-field formula does not hold at shorter distances
FAINTEST_DBM = -110.0  # the library table contains a -199, below the sensitivity of any receiver
ROOMS = "ble_rssi_spachos"
LIBRARY = "ble_rssi_library"


class TraceError(ValueError):
    """The traces are missing or malformed."""


class Trace(NamedTuple):
    """Levels in dBm of one transmitter at one place, in order of reception."""

    room: str
    distance_m: float
    levels: Levels


class Heard(NamedTuple):
    """One cell of the library and one beacon: the received levels in dBm, and the number of missed receptions."""

    cell: tuple[int, int]
    beacon: str
    levels: Levels
    unheard: int


def _rows(file: Path) -> list[dict[str, str]]:
    try:
        packed = file.read_bytes()
    except OSError as error:
        raise TraceError(f"cannot read {file}: --data names the folder that holds {ROOMS} and {LIBRARY}") from error
    return list(csv.DictReader((gzip.decompress(packed) if file.suffix == ".gz" else packed).decode().splitlines()))


def rooms(data: Path) -> list[Trace]:
    """Traces at known distances, by room and distance. Raises TraceError if the files cannot be read."""
    metres = {
        (row["scenario"], row["point"]): float(row["distance_m"])
        for row in _rows(data / ROOMS / "points.csv")
        if row["kind"] == "pathloss" and row["distance_m"]
    }
    levels: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in _rows(data / ROOMS / "ble_raw.csv.gz"):
        if row["kind"] == "pathloss":
            levels[row["scenario"], row["point"]].append(float(row["rssi"]))
    found = [Trace(key[0], metres[key], np.array(values)) for key, values in levels.items() if key in metres]
    return sorted((trace for trace in found if trace.distance_m >= DISTANCE_M_MIN), key=lambda trace: trace[:2])


def library(data: Path) -> list[Heard]:
    """Every cell with every beacon, by cell and beacon. Raises TraceError if the file cannot be read."""
    found: dict[tuple[tuple[int, int], str], tuple[list[float], list[int]]] = defaultdict(lambda: ([], []))
    for row in _rows(data / LIBRARY / "iBeacon_RSSI_Labeled.csv.gz"):
        cell = ord(row["location"][0]) - ord("A"), int(row["location"][1:])
        for beacon, level in row.items():
            if beacon.startswith("b30"):
                heard, unheard = found[cell, beacon]
                (heard.append(float(level)) if float(level) > FAINTEST_DBM else unheard.append(1))
    return [Heard(cell, beacon, np.array(heard), len(unheard)) for (cell, beacon), (heard, unheard) in sorted(found.items())]
