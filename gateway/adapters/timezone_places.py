"""The principal city of a time zone, from the table `zone1970.tab` that comes with the system's time zones (tzdata)."""

from __future__ import annotations

import re
import zoneinfo
from pathlib import Path

TABLES = ("zone1970.tab", "zone.tab")
_ISO_6709 = re.compile(r"([+-]\d{4,7})([+-]\d{5,7})")


def city_of(timezone: str) -> tuple[float, float] | None:
    """(latitude, longitude) in degrees, or None where the system has no table or the table not this zone."""
    for path in (Path(folder) / table for folder in zoneinfo.TZPATH for table in TABLES):
        if not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            fields = line.split("\t")
            if len(fields) > 2 and fields[2] == timezone and (found := _ISO_6709.fullmatch(fields[1])):
                return _degrees(found[1], 2), _degrees(found[2], 3)
    return None


def _degrees(text: str, digits: int) -> float:
    """Sign, degrees, minutes and perhaps seconds without separators."""
    number = text[1:]
    parts = [int(number[:digits]), int(number[digits : digits + 2]), int(number[digits + 2 :] or 0)]
    return (-1 if text[0] == "-" else 1) * (parts[0] + parts[1] / 60 + parts[2] / 3600)
