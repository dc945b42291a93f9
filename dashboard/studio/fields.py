"""The structured form of a campaign: the fields that are changed most, read from its text and written back into it.

tomlkit keeps comments, order and all that the form does not show. A value is written as it was typed, right or wrong, because the form
shows it again beside its fault.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from itertools import count
from typing import Any, Literal, NamedTuple

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

Kind = Literal["text", "long", "number", "date", "zones", "rule"]


class Field(NamedTuple):
    """One input: the key in the text, its label, its kind, and a hint."""

    key: str
    label: str
    kind: Kind
    hint: str = ""


POLICY = (
    Field("per_person_day_max", "Offers to one person a day", "number"),
    Field("gap", "Least time between two offers", "text", "such as 10 min"),
    Field("contact_cost", "Cost of a contact", "text", "such as 0.35 EUR"),
    Field("holdout", "Share held out, to measure the effect", "number", "0.1 is one in ten"),
)
OFFER = (
    Field("title", "Title", "text"),
    Field("body", "Text", "long"),
    Field("starts", "Starts", "date"),
    Field("ends", "Ends, last day", "date"),
    Field("per_person_day_max", "To one person a day", "number"),
    Field("margin", "Margin", "text", "such as 1.90 EUR"),
    Field("price", "Price", "text"),
    Field("discount", "Discount", "number", "0.2 is 20 %"),
    Field("budget", "Budget on each gateway", "text"),
    Field("cost", "Cost of an acceptance", "text"),
    Field("eligible", "Only for people with", "rule", "such as tea_month > 2 || member"),
    Field("applicable", "Only at places with", "rule"),
    Field("suitable", "Only at moments with", "rule", 'such as weather == "rainy"'),
    Field("zones", "Zones", "zones"),
)
WORDING = ("language", "placement", "title", "body")
"""Keys of a further wording (`creatives`)."""


class OfferFields(NamedTuple):
    """The values of one offer by key, its zones, and its further wordings."""

    id: str
    values: Mapping[str, str]
    zones: tuple[str, ...]
    wordings: tuple[Mapping[str, str], ...] = ()


class Fields(NamedTuple):
    """The values of the form."""

    policy: Mapping[str, str]
    quiet: tuple[str, str]
    offers: tuple[OfferFields, ...]


def read(text: str) -> Fields | None:
    """The fields of a text; None if it is not TOML of the shape of a campaign."""
    try:
        table: Any = tomlkit.parse(text)
        policy = table.get("policy", {})
        quiet = [str(one) for one in policy.get("quiet_hours", ("22:00", "07:00"))]
        offers = tuple(
            OfferFields(
                str(one.get("id", "")),
                _values(one, OFFER),
                tuple(map(str, one["zones"] if isinstance(one.get("zones"), list) else ())),
                tuple({key: str(made[key]) for key in WORDING if key in made} for made in one.get("creatives", ())),
            )
            for one in table.get("offers", ())
        )
        return Fields(_values(policy, POLICY), (quiet[0], quiet[1]), offers)
    except (TOMLKitError, AttributeError, TypeError, KeyError, IndexError):
        return None


def written(text: str, base: str, form: Mapping[str, list[str]], draft: str = "") -> str:
    """`text` with those fields of `form` that differ from the text `base`, which the form showed. Raises ValueError for another shape.

    Offers of `draft` that `base` lacks were new in the form, and are added to the text first.

    Fields are named `policy.KEY`, `offer.ID.KEY` and `offer.ID.wording.NUMBER.KEY`; `quiet.from`, `quiet.until`, `copy.of`, `copy.title`
    and `offer.ID.leave-out` are more.
    """
    shown = read(base)
    if shown is None or read(text) is None:
        raise ValueError("the text is no campaign in TOML; correct it as text first")
    table: Any = tomlkit.parse(text)
    _write(table.setdefault("policy", tomlkit.table()), POLICY, shown.policy, form, "policy")
    quiet = tuple(form.get(f"quiet.{end}", [""])[0] for end in ("from", "until"))
    if all(quiet) and quiet != shown.quiet:
        table["policy"]["quiet_hours"] = list(quiet)
    before = {one.id: one for one in shown.offers}
    for made in tomlkit.parse(draft).unwrap().get("offers", ()) if read(draft) else ():
        if str(made.get("id")) not in before | {str(one.get("id")): None for one in table["offers"]}:
            table["offers"].append(_table(made))
    before |= {one.id: one for one in (read(draft) or shown).offers if one.id not in before}
    for at in reversed(range(len(table["offers"]))):
        offer = table["offers"][at]
        key = str(offer.get("id", ""))
        if f"offer.{key}.leave-out" in form:
            del table["offers"][at]
        elif key in before:
            _write(offer, OFFER, before[key].values, form, f"offer.{key}")
            _write_zones(offer, before[key].zones, form, key)
            _write_wordings(offer, before[key].wordings, form, key)
    _copy(table, form)
    return tomlkit.dumps(table)


def _values(table: Mapping[str, Any], fields: Iterable[Field]) -> dict[str, str]:
    return {field.key: str(table[field.key]) if field.key in table else "" for field in fields if field.kind != "zones"}


def _write(table: Any, fields: Iterable[Field], shown: Mapping[str, str], form: Mapping[str, list[str]], prefix: str) -> None:
    for field in fields:
        typed = form.get(f"{prefix}.{field.key}")
        if field.kind == "zones" or typed is None or typed[0].strip() == shown[field.key]:
            continue
        value = typed[0].replace("\r\n", "\n").strip()
        if value:
            table[field.key] = _value(value, field.kind)
        else:
            table.pop(field.key, None)


def _write_zones(offer: Any, shown: tuple[str, ...], form: Mapping[str, list[str]], key: str) -> None:
    if f"offer.{key}.zones-shown" in form:
        chosen = form.get(f"offer.{key}.zones", [])
        if set(chosen) != set(shown):
            offer["zones"] = [zone for zone in shown if zone in chosen] + [zone for zone in chosen if zone not in shown]


def _write_wordings(offer: Any, shown: tuple[Mapping[str, str], ...], form: Mapping[str, list[str]], key: str) -> None:
    """Changed wordings, a new one if it has a title, and without those whose title was emptied."""
    for at in range(len(shown), -1, -1):
        typed = {name: form.get(f"offer.{key}.wording.{at}.{name}", [""])[0].replace("\r\n", "\n").strip() for name in WORDING}
        before = {name: shown[at].get(name, "") for name in WORDING} if at < len(shown) else dict.fromkeys(WORDING, "")
        if f"offer.{key}.wording.{at}.title" not in form or typed == before:
            continue
        held = offer.setdefault("creatives", tomlkit.aot())
        if at == len(shown):
            if typed["title"]:
                held.append(tomlkit.item({name: text for name, text in typed.items() if text}))
        elif typed["title"]:
            for name, text in typed.items():
                if text:
                    held[at][name] = text
                else:
                    held[at].pop(name, None)
        else:
            del held[at]


def _copy(table: Any, form: Mapping[str, list[str]]) -> None:
    """Append a copy of an offer with another title, under an id that is made from it."""
    source, title = (form.get(f"copy.{name}", [""])[0].strip() for name in ("of", "title"))
    if not title:
        return
    key = id_of(title, {str(offer.get("id")) for offer in table["offers"]})
    found = next((offer for offer in table["offers"] if str(offer.get("id")) == source), None)
    if found is None:
        raise ValueError(f"there is no offer {source!r} to copy")
    made = _table(found.unwrap())
    made["id"], made["title"] = key, title
    table["offers"].append(made)


def _table(values: Mapping[str, Any]) -> Table:
    made: Table = tomlkit.table()
    for name, value in values.items():
        made[name] = value
    return made


def id_of(title: str, taken: Collection[str]) -> str:
    """An id that is made from a title and is not taken."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:56] or "offer"
    return next(name for number in count(1) if (name := base if number == 1 else f"{base}-{number}") not in taken)


def field_faults(faults: Iterable[str], shown: Fields | None) -> dict[str, str]:
    """Name of a field of the form -> the fault that a check found in its value; others have no field."""
    found: dict[str, str] = {}
    for line in faults:
        place = re.match(r"(?:line \d+: )?(?:policy\.(\w+)|offers\[(\d+)\]\.(\w+))[\w.\[\]]*: (.*)", line, re.DOTALL)
        if place is None or shown is None:
            continue
        limit, at, key, text = place.groups()
        if limit:
            found.setdefault("quiet.from" if limit == "quiet_hours" else f"policy.{limit}", text)
        elif int(at) < len(shown.offers):
            found.setdefault(f"offer.{shown.offers[int(at)].id}.{key}", text)
    return found


def _value(text: str, kind: Kind) -> Any:
    """The text as a TOML value of its kind, or the text itself if it is none: the check then names it."""
    try:
        if kind == "number":
            return int(text) if text.lstrip("-").isdigit() else float(text)
        if kind == "date":
            return date.fromisoformat(text)
    except ValueError:
        return text
    return text
