"""The schema of the records that leave, as tables for people, made from the types that gateways send."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from gateway.core.condition import Condition, SourceCondition
from gateway.core.desired import Reported
from gateway.core.records import ControlCounts, GatewayHealth, HourCounts, OfferCounts, VisitorCounts

KINDS: tuple[tuple[type[msgspec.Struct], str, str], ...] = (
    (HourCounts, "Offers sent", "after each window, usually an hour; with noise"),
    (OfferCounts, "Outcomes of offers", "after each day or week; with noise"),
    (ControlCounts, "Perceived control", "after each quarter, if it is turned on; with noise"),
    (VisitorCounts, "Devices without consent", "after each day, if it is turned on; with noise"),
    (GatewayHealth, "Health of the gateway", "after each window; nothing in it depends on people"),
    (Reported, "State for the desk", "all the time, if the desk gives orders; nothing in it counts people"),
    (Condition, "Condition, in the state", "as the state"),
    (SourceCondition, "Sources, in the condition", "sources of sensors only, in whole days"),
)
TEXTS: dict[str, str] = {
    "id": "a running number of the record",
    "gateway": "the gateway's id",
    "window_start_ms": "the start of the window, day, week or quarter",
    "window_ms": "its length",
    "noise": "epsilon, the bound of one person's part, and the variance of the noise",
    "zones": "ids of zones from the public list",
    "counts": "whole numbers with noise, in a fixed number and order, zeros included",
    "offer": "id of an offer from the public list",
    "sums_zones": "whether all zones are counted together",
    "epochs": "how often a device may count on one day",
    "backlog": "records that wait to be sent",
    "demonstration": "whether its people are simulated",
    "serial": "the number of the newest order",
    "fault": "why an order was refused; empty without a fault",
    "bundle": "name and version of the campaign's bundle",
    "sha256": "the bundle's checksum",
    "stopped": "ids of stopped offers",
    "condition": "see below",
    "settings": "the checksum of settings that the desk gave",
    "release": "the version of the program",
    "connected": "whether the broker is reached",
    "sources": "see below",
    "certificate_ends_ms": "when its first certificate ends",
    "buffer_days": "whole days until its storage is full without the desk",
    "wear_percent": "bytes written a day, in quarters of their budget",
    "epsilon_millionths": "the epsilon of each day",
    "decoder": "the format of a source of sensors",
    "silent_days": "whole days without a message of it",
}
"""Field -> its meaning."""


class Kind(NamedTuple):
    """One kind of message: its title, the time of its departure, and its fields with their meaning."""

    title: str
    leaves: str
    fields: list[tuple[str, str]]


def kinds() -> list[Kind]:
    """Every kind of message that leaves a gateway for the desk."""
    return [Kind(title, leaves, [(name, TEXTS[name]) for name in of.__struct_fields__]) for of, title, leaves in KINDS]
