"""The parts of one Bluetooth LE advertisement.

Some gateways forward the raw bytes, which are a sequence of AD structures (Bluetooth Core Specification Supplement,
part A: length, type, content); others forward service data and manufacturer data separately. Both become a `Frame`, so
that each format has one parser.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_FLAGS = 0x01
_LISTED_16 = (0x02, 0x03)
_LISTED_128 = (0x06, 0x07)
_NAMES = (0x08, 0x09)
_SERVICE_16, _SERVICE_128, _MANUFACTURER = 0x16, 0x21, 0xFF
_SIG_BASE = "00001000800000805f9b34fb"  # a 16-bit UUID stands for 0000xxxx-0000-1000-8000-00805f9b34fb
UNNAMED = ""
"""The service UUID of service data whose carrier left it out."""


class Frame(NamedTuple):
    """`mac` is 12 lower-case hex digits; UUIDs are 4 (assigned numbers) or 32 of them; manufacturer data begins with the company id."""

    mac: str | None = None
    manufacturer: tuple[bytes, ...] = ()
    services: tuple[tuple[str, bytes], ...] = ()
    listed: tuple[str, ...] = ()
    name: str = ""

    def of_company(self, company: int) -> list[bytes]:
        """The manufacturer data of `company`, without its id."""
        head = company.to_bytes(2, "little")
        return [content[2:] for content in self.manufacturer if content.startswith(head)]

    def of_service(self, uuid: str) -> Iterator[bytes]:
        """The data of service `uuid`, and data without a UUID: the parser must check its content."""
        return (content for stated, content in self.services if stated in (uuid, UNNAMED))


def frame_of(data: bytes, mac: str | None = None) -> Frame:
    """The parts of a raw advertisement, up to padding (length 0); a structure that is cut off is left out."""
    manufacturer: list[bytes] = []
    services: list[tuple[str, bytes]] = []
    listed: list[str] = []
    name = ""
    position, total = 0, len(data)
    while position < total and (size := data[position]) and (end := position + 1 + size) <= total:
        kind, content = data[position + 1], data[position + 2 : end]
        position = end
        if kind == _FLAGS:
            continue  # usually the first structure
        if kind == _MANUFACTURER and size > 2:
            manufacturer.append(content)
        elif kind in (_SERVICE_16, _SERVICE_128):
            services += _service(content, 2 if kind == _SERVICE_16 else 16)
        elif kind in _LISTED_16 + _LISTED_128:
            listed += _listed(content, 2 if kind in _LISTED_16 else 16)
        elif kind in _NAMES:
            name = content.decode("utf-8", "replace")
    return Frame(mac, tuple(manufacturer), tuple(services), tuple(listed), name)


def short_uuid(digits: str) -> str:
    """A UUID in the spelling of `Frame`: 4 digits for an assigned number, without dashes and `0x`."""
    digits = digits.lower().removeprefix("0x").replace("-", "")
    return digits[4:8] if len(digits) == 32 and digits.startswith("0000") and digits.endswith(_SIG_BASE) else digits


def _service(content: bytes, size: int) -> Iterator[tuple[str, bytes]]:
    if len(content) >= size:
        yield short_uuid(content[:size][::-1].hex()), content[size:]


def _listed(content: bytes, size: int) -> Iterator[str]:
    return (short_uuid(content[at : at + size][::-1].hex()) for at in range(0, len(content) - size + 1, size))
