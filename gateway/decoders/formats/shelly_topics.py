"""The device in the topics of Shelly devices, spelled alike in all formats."""

from __future__ import annotations

from gateway.decoders.contract import text

BASE = "shellies"
"""The prefix of the first generation; owners may keep it in front of newer devices."""

SPEAKERS = tuple(
    f"{base}{{device}}/{branch}" for base in (f"{BASE}/", "") for branch in ("events/rpc", "events/ble", "status/#", "online", "announce")
)
"""Templates of the topics of newer devices, with and without the prefix."""


def device_of(levels: list[str]) -> str:
    """The device named by the `levels` of a topic above its branch. Raises DecodeError as `text()` does."""
    return text("/".join(levels[1:] if levels[0] == BASE and len(levels) > 1 else levels), "device")


def device_above(levels: list[str], branch: str) -> str | None:
    """The device above the level `branch`, or `None` on a topic without it. Raises DecodeError as `text()` does."""
    at = levels.index(branch) if branch in levels[1:] else 0
    return device_of(levels[:at]) if at else None
