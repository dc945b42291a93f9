"""Batches as a gateway would send them, written as JSON by hand.

Only the gateway's privacy door may construct records; a sender at the other end of a socket is not
bound by our types anyway, so the tests are not either.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_794_000_000_000 // HOUR_MS * HOUR_MS  # 21:00 UTC
DAY_START_MS = START_MS // DAY_MS * DAY_MS
TOKENS = {"gw-a": "token-of-gateway-a-0001", "gw-b": "token-of-gateway-b-0002"}
OUTCOMES = ("held_out", "held_out_came", "ignored", "dismissed", "came", "accepted", "accepted_came", "redeemed")
VARIANCE = 127.83  # of the default terms
CLEAR = 0.01366  # of counts whose noise can be ignored: they are shown as "± 1"

Json = dict[str, Any]


def noise(variance: float = CLEAR) -> Json:
    """A statement of the noise that has this variance."""
    scale = 0.5 / math.asinh(math.sqrt(0.5 / variance)) if variance > 0 else 8.0
    contacts = 1 if scale < 1 else 4
    return {"epsilon_millionths": round(contacts * 1_000_000 / scale), "contacts_max": contacts, "variance": variance}


def hours(
    record_id: str,
    by_zone: Mapping[str, int] | None = None,
    *,
    gateway: str = "gw-a",
    window: int = 0,
    variance: float = CLEAR,
    **fields: Any,
) -> Json:
    """Offers sent by zone in the hour `window` hours after START_MS."""
    by_zone = {"plaza": 1} if by_zone is None else by_zone
    usual: Json = {
        "type": "hours",
        "id": record_id,
        "gateway": gateway,
        "window_start_ms": START_MS + window * HOUR_MS,
        "window_ms": HOUR_MS,
        "noise": noise(variance),
        "zones": list(by_zone),
        "counts": list(by_zone.values()),
    }
    return usual | fields


def offers(
    record_id: str,
    by_zone: Mapping[str, Mapping[str, int]],
    *,
    offer: str = "espresso",
    gateway: str = "gw-a",
    day: int = 0,
    variance: float = CLEAR,
    **fields: Any,
) -> Json:
    """Contacts with one offer, by zone and outcome, of the service day `day` days after that of START_MS."""
    usual: Json = {
        "type": "offers",
        "id": record_id,
        "gateway": gateway,
        "window_start_ms": DAY_START_MS + day * DAY_MS,
        "window_ms": DAY_MS,
        "noise": noise(variance),
        "zones": list(by_zone),
        "offer": offer,
        "counts": [of_zone.get(outcome, 0) for of_zone in by_zone.values() for outcome in OUTCOMES],
    }
    return usual | fields


def health(record_id: str, *, gateway: str = "gw-a", window: int = 0, **fields: Any) -> Json:
    """One health record of an hour."""
    usual: Json = {
        "type": "health",
        "id": record_id,
        "gateway": gateway,
        "window_start_ms": START_MS + window * HOUR_MS,
        "window_ms": HOUR_MS,
        "backlog": 7,
        "demonstration": False,
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


STREET_OFFERS = ("espresso", "lunch-bowl", "two-for-one-on-everything-that-the-market-has-left-today")
STREET_ZONES = {"gw-a": ("plaza", "cafe"), "gw-b": ("pub", "a-zone-with-quite-a-long-name-at-the-end-of-the-street")}


def street_outcomes(number: int) -> dict[str, int]:
    """Counts by outcome of one zone and the offer with this number; one of them is negative, as noise can make it."""
    return {
        "held_out": 90,
        "held_out_came": 12,
        "ignored": 700 * (number + 1),
        "dismissed": 200,
        "came": 90,
        "accepted": 60,
        "accepted_came": 30,
        "redeemed": 150 if number else -2,
    }


def street_batches(variance: float = VARIANCE) -> list[Json]:
    """Two gateways, four zones, three offers, five hours and the day that ends in the third of them."""
    batches = []
    for gateway, zones in STREET_ZONES.items():
        for window in range(5):
            count = (window + 1) * 40 - 50
            counts = dict.fromkeys(zones, max(0, count) if variance == CLEAR else count)  # such noise makes nothing negative
            records = [health(f"{window}.h", gateway=gateway, window=window)]
            records.append(hours(f"{window}.t", counts, gateway=gateway, window=window, variance=variance))
            if window == 2:
                for number, offer in enumerate(STREET_OFFERS):
                    by_zone = {zone: street_outcomes(number) for zone in zones}
                    records.append(offers(f"o{number}", by_zone, offer=offer, gateway=gateway, variance=variance))
            batches.append(batch(f"{gateway}.{window}", records, gateway))
    return batches
