"""The real radio traces that presence is measured on, as plain values.

`ble_rssi_spachos` (three rooms, three transmitters a room, a receiver on a table): levels one by one at known distances and
at known points. `ble_rssi_library` (thirteen beacons in a library, a person walking from cell to cell): levels by moment.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.kit.shared import shared_path

Levels = NDArray[np.float64]

UNHEARD_DBM = -200.0
FAINTEST_DBM = -110.0  # the table holds a -199: no receiver hears that
DISTANCE_M_MIN = 0.5  # nearer than this the far-field formula means nothing
FORMATS = ("%m-%d-%Y %H:%M:%S", "%m-%d-%Y %H:%M")


class Ranged(NamedTuple):
    """Levels of one transmitter at a known distance."""

    room: str
    distance_m: float
    levels: Levels


class Placed(NamedTuple):
    """Levels of each transmitter at a known point of a room."""

    room: str
    x_m: float
    y_m: float
    is_test: bool
    levels: dict[str, Levels]


class Walked(NamedTuple):
    """One moment of the library's walk: seconds since its start, the cell (column, row), and what was heard."""

    at_s: float
    cell: tuple[int, int]
    heard: dict[str, float]


def _rows(path: Path) -> list[dict[str, str]]:
    packed = path.read_bytes()
    text = (gzip.decompress(packed) if path.suffix == ".gz" else packed).decode()
    return list(csv.DictReader(text.splitlines()))


def _raw() -> dict[tuple[str, str, str], dict[str, Levels]]:
    """Levels by (room, kind, point) and transmitter."""
    found: dict[tuple[str, str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(shared_path("data/tables/ble_rssi_spachos/ble_raw.csv.gz")):
        found[row["scenario"], row["kind"], row["point"]][row["node"]].append(float(row["rssi"]))
    return {key: {node: np.array(levels) for node, levels in nodes.items()} for key, nodes in found.items()}


def _points() -> dict[tuple[str, str, str], dict[str, str]]:
    rows = _rows(shared_path("data/tables/ble_rssi_spachos/points.csv"))
    return {(row["scenario"], row["kind"], row["point"]): row for row in rows}


def ranged() -> list[Ranged]:
    """Every trace at a known distance of half a metre and more."""
    points = _points()
    found = [
        Ranged(key[0], float(points[key]["distance_m"]), levels)
        for key, nodes in sorted(_raw().items())
        if key[1] == "pathloss" and key in points
        for levels in nodes.values()
    ]
    return [trace for trace in found if trace.distance_m >= DISTANCE_M_MIN]


def placed() -> list[Placed]:
    """Every point at which all three transmitters of a room were heard."""
    points = _points()
    return [
        Placed(key[0], float(points[key]["x"]), float(points[key]["y"]), key[1] == "tests", nodes)
        for key, nodes in sorted(_raw().items())
        if key[1] != "pathloss" and key in points and len(nodes) == 3
    ]


def walked() -> list[Walked]:
    """The library's moments in order."""
    found = []
    for row in _rows(shared_path("data/tables/ble_rssi_library/iBeacon_RSSI_Labeled.csv.gz")):
        heard = {name: float(level) for name, level in row.items() if name.startswith("b30") and float(level) > FAINTEST_DBM}
        found.append(Walked(_seconds(row["date"]), (ord(row["location"][0]) - ord("A"), int(row["location"][1:])), heard))
    return sorted(found, key=lambda moment: moment.at_s)


def _seconds(text: str) -> float:
    for form in FORMATS:
        try:
            return (datetime.strptime(text, form) - datetime(2016, 1, 1)).total_seconds()  # noqa: DTZ001, DTZ007 - one wall clock, for differences
        except ValueError:
            continue
    raise ValueError(f"no date: {text!r}")
