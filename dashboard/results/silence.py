"""Reasons why an offer of the campaign was not sent, as known to the desk.

The reason of a single decision stays on its gateway (`wayside why`): only noised counts of contacts leave it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, select

from dashboard.formats import day
from dashboard.schema import stops
from dashboard.studio.check import Checked

UNKNOWN = "no clear count: sent too rarely, or held back by its rules and limits"


def silence(connection: Connection, checked: Checked, sent: Collection[str], published: Collection[str], now_ms: int) -> Mapping[str, str]:
    """Title of each offer of the campaign that is not among the clearly `sent` ones -> the reason.

    `published` are the offers of the versions that gateways are to run; empty if each gateway runs a bundle of its own.
    """
    if checked.campaign is None:
        return {}
    stopped = {row.offer: row for row in connection.execute(select(stops))}
    found: dict[str, str] = {}
    for offer in checked.campaign.offers:
        if offer.id in sent:
            continue
        if offer.id in stopped:
            reason = f"stopped by {stopped[offer.id].account} on {day(stopped[offer.id].at_ms, checked.time_zone)}"
        elif offer.starts_ms > now_ms:
            reason = f"starts on {day(offer.starts_ms, checked.time_zone)}"
        elif offer.ends_ms <= now_ms:
            reason = f"ended on {day(offer.ends_ms - 1, checked.time_zone)}"
        elif fault := next((line for line in checked.silent if f"{offer.id!r} is never sent" in line), ""):
            reason = fault.rpartition(f"{offer.id!r} is ")[2]
        elif published and offer.id not in published:
            reason = "in no version that a gateway is to run; publish one"
        else:
            reason = UNKNOWN
        found[offer.title] = reason
    return found
