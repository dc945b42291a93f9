"""Who speaks on the topics of Shelly devices, spelled alike whichever of their messages it is."""

from __future__ import annotations

from gateway.decoders.contract import text

BASE = "shellies"
"""The first generation's prefix, which many owners keep in front of newer devices as well."""


def device_of(levels: list[str]) -> str:
    """The device that the `levels` of a topic above its branch name."""
    return text("/".join(levels[1:] if levels[0] == BASE and len(levels) > 1 else levels), "device")


def device_above(levels: list[str], branch: str) -> str | None:
    """The device above the level `branch`, or `None` on a topic without it."""
    at = levels.index(branch) if branch in levels[1:] else 0
    return device_of(levels[:at]) if at else None
