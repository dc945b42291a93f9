"""Forms that a page sends: their fields, each with a bound, and the facts that follow from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args
from urllib.parse import parse_qs

from gateway.core import limits
from gateway.core.types import AnswerKind, AnswerReason, Envelope, Named, Purpose, WishList

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gateway.core.offers import Campaign

PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
REASONS: tuple[AnswerReason, ...] = get_args(AnswerReason)
NO_REASON = "none"
FIELDS_MAX = 2_000
Fields = dict[str, list[str]]


class FormError(ValueError):
    """A field that the page does not have; `field` names it."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def fields(text: str) -> Fields:
    """The fields of a form or a query. Raises FormError for bytes that are no form."""
    try:
        found = parse_qs(text, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:
        raise FormError("form") from None
    for name, values in found.items():
        if len(name) > limits.TEXT_CHARS_MAX or any(len(value) > limits.TEXT_CHARS_MAX or not value.isprintable() for value in values):
            raise FormError(name[:32] if name.isprintable() else "form")
    return found


def one(form: Fields, name: str, default: str = "") -> str:
    """The first value of a field."""
    return form.get(name, [default])[0]


def number(form: Fields, name: str, allowed: Collection[int]) -> int:
    """A number that is one of `allowed`. Raises FormError."""
    value = one(form, name)
    if not (value.isascii() and value.isdecimal() and len(value) < 10 and int(value) in allowed):
        raise FormError(name)
    return int(value)


def purposes(form: Fields) -> tuple[Purpose, ...]:
    """The purposes that were ticked, in the order of the page. Raises FormError for one that there is not."""
    if set(form.get("purpose", [])) - set(PURPOSES):
        raise FormError("purpose")
    return tuple(purpose for purpose in PURPOSES if purpose in form.get("purpose", []))


def answer_kind(form: Fields) -> AnswerKind:
    """The answer to an offer. Raises FormError for another one than accepted or dismissed."""
    value = one(form, "answer")
    if value == "accepted":
        return "accepted"
    if value == "dismissed":
        return "dismissed"
    raise FormError("answer")


def answer_reason(form: Fields) -> AnswerReason | None:
    """The reason of a refusal, or None. Raises FormError for one that there is not."""
    value = one(form, "reason", NO_REASON)
    found = next((reason for reason in REASONS if reason == value), None)
    if found is None and value != NO_REASON:
        raise FormError("reason")
    return found


def wish_list(form: Fields, envelope: Envelope, change: int, language: str, campaign: Campaign) -> WishList:
    """The wishes that a form states. Raises FormError for names that the campaign lacks, and for times that are none."""
    return WishList(envelope, change, _named(form, "blocked", campaign), _named(form, "wanted", campaign), _hours(form), language)


def choices(campaign: Campaign) -> dict[str, tuple[str, ...]]:
    """Names that can be blocked or wanted, by kind: categories, shops and offers of the campaign, sorted."""
    return {
        "offers": tuple(sorted({offer.id for offer in campaign.offers})),
        "categories": tuple(sorted({offer.category for offer in campaign.offers})),
        "shops": tuple(sorted({offer.shop for offer in campaign.offers})),
    }


def _named(form: Fields, mood: str, campaign: Campaign) -> Named:
    known = choices(campaign)
    found: dict[str, tuple[str, ...]] = {}
    for kind, names in known.items():
        field = f"{mood}.{kind}"
        if set(form.get(field, [])) - set(names):
            raise FormError(field)
        found[kind] = tuple(name for name in names if name in form.get(field, []))
    return Named(**found)


def _hours(form: Fields) -> tuple[tuple[int, int], ...]:
    """Spans of local minutes; a span without both times is none."""
    pairs = list(zip(form.get("from", []), form.get("to", []), strict=False))[: limits.BLOCKED_HOURS_MAX]
    return tuple((_minute(start), _minute(end)) for start, end in pairs if start and end)


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    if not (text.isascii() and len(text) == 5 and hour.isdecimal() and minute.isdecimal() and int(hour) < 24 and int(minute) < 60):
        raise FormError("hours")
    return int(hour) * 60 + int(minute)


def titles(campaign: Campaign) -> Mapping[str, str]:
    """Titles of the offers by id."""
    return {offer.id: offer.title for offer in campaign.offers}
