"""Differences of two campaigns as text, such as "Espresso: proposals to one person a day 2 → 3"."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from dashboard.formats import duration
from gateway.core.offers import Campaign, Offer, Policy

LABELS = {
    "title": "title",
    "body": "text",
    "zones": "zones",
    "shop": "shop",
    "category": "category",
    "value_minor": "margin",
    "starts_ms": "starts",
    "ends_ms": "ends",
    "per_person_day_max": "proposals to one person a day",
    "budget_minor": "budget",
    "cost_minor": "cost of an acceptance",
    "price_minor": "price",
    "discount": "discount",
    "gap_s_min": "least time between two offers",
    "quiet_from": "quiet hours from",
    "quiet_until": "quiet hours until",
    "contact_cost_minor": "cost of a contact",
    "holdout": "held out",
    "refusal_s": "pause after a refusal",
    "trigger_expiry_s": "expiry of a trigger",
}


def differences(before: Campaign, after: Campaign, currency: str, time_zone: tzinfo) -> list[str]:
    """One line for each change: of the policy, of offers that both have, and offers that are new or gone."""
    say = _Words(currency, time_zone)
    known = {offer.id: offer for offer in before.offers}
    lines = [f"all offers: {line}" for line in _changed(before.policy, after.policy, say)]
    for offer in after.offers:
        if offer.id not in known:
            lines.append(f"new offer {offer.title} ({offer.id})")
        else:
            lines += [f"{offer.title}: {line}" for line in _changed(known[offer.id], offer, say)]
    left = {offer.id for offer in after.offers}
    return lines + [f"offer {offer.title} ({offer.id}) is gone" for offer in before.offers if offer.id not in left]


def _changed(before: Offer | Policy, after: Offer | Policy, say: _Words) -> Iterator[str]:
    for name in after.__struct_fields__:
        old, new = getattr(before, name), getattr(after, name)
        if old == new:
            continue
        label = LABELS.get(name, name.replace("_", " "))
        if name == "zones":
            added, gone = sorted(set(new) - set(old)), sorted(set(old) - set(new))
            yield f"{label} " + ", ".join([*(f"+ {zone}" for zone in added), *(f"- {zone}" for zone in gone)] or ["in another order"])
        else:
            yield f"{label} {say(name, old)} → {say(name, new)}"


class _Words:
    """Values of fields as text."""

    def __init__(self, currency: str, time_zone: tzinfo) -> None:
        self._currency = currency
        self._time_zone = time_zone

    def __call__(self, name: str, value: Any) -> str:
        if name.endswith("_minor") and value is not None:
            return money(value, self._currency)
        if name.endswith(("_s", "_s_min")) and value is not None:
            return duration(value * 1000)
        if name.endswith("_ms"):
            at = datetime.fromtimestamp(value / 1000, self._time_zone)
            return f"{at.day} {at:%b %Y}" + (f", {at:%H:%M}" if at.hour or at.minute else "")
        if name.startswith("quiet_"):
            return f"{value // 60:02}:{value % 60:02}"
        if name in ("discount", "holdout", "propensity_min") and value is not None:
            return f"{100 * value:g} %"
        return _plain(value)


def _plain(value: Any) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, str):
        return f"“{value}”"
    return str(value) if isinstance(value, int | float) else msgspec.json.encode(value).decode()


def money(minor: float, currency: str) -> str:
    """An amount in minor units of a currency with two decimals: 192 is "1.92 EUR"."""
    return f"{minor / 100:,.2f} {currency}"
