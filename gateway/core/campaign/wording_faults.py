"""Faults of the wordings of an offer in a campaign file: pressure on the person, and more than a placement has attention for."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core.attributes.convert import Fault
from gateway.core.campaign.form import CreativeForm, OfferForm
from gateway.core.campaign.wording import pressure
from gateway.core.creatives import PlacementName, attention_faults
from gateway.core.toml_lines import Path


def wording_faults(form: OfferForm, path: Path) -> Iterator[Fault]:
    """One fault for each wording that cannot be used; all creatives are checked like the default wording."""
    places: dict[tuple[str | None, str | None], int] = {}
    yield from _faults(form, path, form.urgency_reason)
    for placement in _default_placements(form):
        yield from (Fault((*path, field), text) for field, text in attention_faults(form.title, form.body, placement))
    for at, one in enumerate(form.creatives):
        here = (*path, "creatives", at)
        first = places.setdefault((one.placement, one.language), at)
        if one.placement is None and one.language is None:
            yield Fault(here, "a creative states a placement or a language; the wording for all others is the offer's own title and body")
        elif first != at:
            yield Fault(here, f"creatives[{first}] has the same placement and language")
        yield from _faults(one, here, form.urgency_reason)
        yield from (Fault((*here, field), text) for field, text in attention_faults(one.title, one.body, one.placement))


def _default_placements(form: OfferForm) -> list[PlacementName]:
    """The placements in which the default wording may be shown: at a counter only if the offer is proposed on request."""
    if form.channel == "screen":
        is_worded = any(one.placement == "screen" and one.language is None for one in form.creatives)
        return [] if is_worded else ["screen"]
    is_counter_worded = any(one.placement == "counter" and one.language is None for one in form.creatives)
    return ["notification", "counter"] if "requested" in form.occasions and not is_counter_worded else ["notification"]


def _faults(form: OfferForm | CreativeForm, path: Path, urgency_reason: str) -> Iterator[Fault]:
    for field in ("title", "body"):
        found = pressure(getattr(form, field))
        if found is None:
            continue
        if found.kind == "confirm-shaming":
            yield Fault((*path, field), f"{found.phrase!r} is confirm-shaming: a refusal must not be worded as a fault of the person")
        elif not urgency_reason.strip():
            text = f"{found.phrase!r} is a wording of {found.kind}: word it without pressure, or state the fact behind it in urgency_reason"
            yield Fault((*path, field), text)
