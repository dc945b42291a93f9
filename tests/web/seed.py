"""Batches as a gateway would send them, written as JSON by hand.

Only the gateway's privacy door may construct records; a sender at the other end of a socket is not
bound by our types anyway, so the tests are not either.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from typing import Any

HOUR_MS = 3_600_000
START_MS = 1_794_000_000_000 // HOUR_MS * HOUR_MS
TOKENS = {"gw-a": "token-of-gateway-a-0001", "gw-b": "token-of-gateway-b-0002"}
KINDS = ("trigger", "shown", "opened", "accepted", "redeemed", "dismissed")

Json = dict[str, Any]


def cell(record_id: str, *, gateway: str = "gw-a", window: int = 0, **fields: Any) -> Json:
    """One cell of the hour `window` hours after START_MS."""
    usual: Json = {
        "type": "cell",
        "id": record_id,
        "gateway": gateway,
        "window_start_ms": START_MS + window * HOUR_MS,
        "window_ms": HOUR_MS,
        "zone": "plaza",
        "offer": "espresso",
        "kind": "trigger",
        "count": 1,
    }
    return usual | fields


def health(record_id: str, *, gateway: str = "gw-a", window: int = 0, **fields: Any) -> Json:
    """One health record of the same hour."""
    usual: Json = {
        "type": "health",
        "id": record_id,
        "gateway": gateway,
        "window_start_ms": START_MS + window * HOUR_MS,
        "window_ms": HOUR_MS,
        "messages": 1_000,
        "refused": 2,
        "facts": 30,
        "decisions": 20,
        "triggers": 10,
        "backlog": 7,
    }
    return usual | fields


def batch(batch_id: str, records: Iterable[Json], gateway: str = "gw-a") -> Json:
    """A batch of `records`."""
    return {"batch": batch_id, "gateway": gateway, "records": list(records)}


def packed(body: Any) -> bytes:
    """Gzip JSON; `mtime` fixed so that the same body is the same bytes."""
    return gzip.compress(json.dumps(body).encode(), mtime=0)


def bearer(gateway: str = "gw-a") -> dict[str, str]:
    """The headers of a POST by `gateway`."""
    return {"Authorization": f"Bearer {TOKENS[gateway]}", "Content-Encoding": "gzip"}


def street_batches() -> list[Json]:
    """Two gateways, four zones, three offers, five hours; every kind, counts that fall from step to step."""
    batches = []
    for gateway, zones in (("gw-a", ("plaza", "cafe")), ("gw-b", ("pub", "a-zone-with-quite-a-long-name-at-the-end-of-the-street"))):
        for window in range(5):
            records = [health(f"{window}.h", gateway=gateway, window=window)]
            for zone in zones:
                for number, offer in enumerate(("espresso", "lunch-bowl", "two-for-one-on-everything-that-the-market-has-left-today")):
                    for step, kind in enumerate(KINDS):
                        count = (window + 1) * (number + 2) * 12 >> step
                        record_id = f"{window}.{zone[:6]}.{number}.{kind}"
                        records.append(cell(record_id, gateway=gateway, window=window, zone=zone, offer=offer, kind=kind, count=count))
            batches.append(batch(f"{gateway}.{window}", records, gateway))
    return batches
