"""Faults of the triggers in a campaign file: fields that do not belong together, unknown quantities, and events without an approver."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core.attributes.convert import Fault
from gateway.core.campaign.form import CampaignForm, OfferForm, ThresholdForm
from gateway.core.context import PEOPLE
from gateway.core.nearest import nearest
from gateway.core.quantities import QUANTITIES
from gateway.core.toml_lines import Path

_NEEDS = {"scheduled": "times", "reading": "threshold", "event": "event"}
"""Occasion -> the field of the form that states its trigger."""


def trigger_faults(form: CampaignForm) -> Iterator[Fault]:
    """One fault for each trigger that cannot work."""
    for at, offer in enumerate(form.offers):
        path: Path = ("offers", at)
        yield from _unpaired(offer, path)
        if offer.during_incident and offer.kind != "service":
            yield Fault((*path, "during_incident"), 'only a service message is sent during an incident: kind = "service"')
        if offer.threshold is not None:
            yield from _threshold_faults(offer.threshold, (*path, "threshold"))
    asked = next((at for at, offer in enumerate(form.offers) if offer.event is not None), None)
    if asked is not None and form.sign_off is None:
        text = f"{form.offers[asked].id!r} answers an external event, so the campaign needs an approver: add [sign_off]"
        yield Fault(("offers", asked, "event"), text)


def _unpaired(offer: OfferForm, path: Path) -> Iterator[Fault]:
    for occasion, field in _NEEDS.items():
        is_stated = bool(getattr(offer, field))
        if occasion in offer.occasions and not is_stated:
            yield Fault((*path, "occasions"), f"the occasion {occasion!r} needs {field}")
        elif is_stated and occasion not in offer.occasions:
            yield Fault((*path, field), f"{field} has no effect: add {occasion!r} to occasions")
    if offer.weekdays and not offer.times:
        yield Fault((*path, "weekdays"), "weekdays are the days of times, which are missing")


def _threshold_faults(threshold: ThresholdForm, path: Path) -> Iterator[Fault]:
    if (threshold.at_least is None) == (threshold.at_most is None):
        yield Fault(path, "a threshold has either at_least or at_most")
    if threshold.quantity in PEOPLE:
        return
    row = QUANTITIES.get(threshold.quantity)
    if row is None:
        known = (*QUANTITIES, *PEOPLE)
        yield Fault((*path, "quantity"), f"{threshold.quantity!r} is no quantity of readings{nearest(threshold.quantity, known)}")
        return
    for field in ("at_least", "at_most"):
        bound = getattr(threshold, field)
        if bound is not None and not row.low <= bound <= row.high:
            text = f"{bound:g} is outside the range of {threshold.quantity}, {row.low:g} to {row.high:g} {row.unit}"
            yield Fault((*path, field), f"{text}: it can never be crossed")
