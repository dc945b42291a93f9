"""A bound on new people of a page by network address: without it one device in the building could take the room of all others.

A page needs no account, so each form that is sent without a cookie makes a person of up to a year. Addresses are in memory only, for an
hour; of IPv6 the network (/64) counts, because a device has as many addresses in it as it likes.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

NEW_MAX = 60  # new people of one address in an hour: several phones may share one
HOUR_MS = 3_600_000
ADDRESSES_MAX = 10_000


class Newcomers:
    """Used by the thread of the page's server."""

    def __init__(self) -> None:
        """No address is known."""
        self._begun_ms = 0
        self._new: dict[str, int] = {}

    def may_enter(self, peer: str, now_ms: int) -> bool:
        """Whether one more person may come from an address; it counts if so. More addresses than ADDRESSES_MAX in an hour count as one."""
        if not 0 <= now_ms - self._begun_ms < HOUR_MS:
            self._begun_ms = now_ms
            self._new.clear()
        name = _network(peer)
        if name not in self._new and len(self._new) >= ADDRESSES_MAX:
            name = ""
        if self._new.get(name, 0) >= NEW_MAX:
            return False
        self._new[name] = self._new.get(name, 0) + 1
        return True


def _network(peer: str) -> str:
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    return str(ip_network((address, 64), strict=False)) if address.version == 6 and address.ipv4_mapped is None else str(address)
