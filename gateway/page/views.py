"""The pages as plain functions: values in, HTML out. None of them reads or changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from gateway.core.channels import is_page
from gateway.core.context import SubjectContext, Wishes
from gateway.core.types import Named
from gateway.page.control import ITEMS, SCALE
from gateway.page.forms import PURPOSES, choices, titles
from gateway.page.frame import button, document, facts, form, moment, place
from gateway.page.markup import Child, Html, el, join
from gateway.page.texts import CONSENT_VERSION

if TYPE_CHECKING:
    from gateway.core.offers import Campaign
    from gateway.core.state.register import Grant
    from gateway.page.texts import Texts

DAYS = (30, 180, 365)
"""Days that a consent may last."""
SPANS = 3
"""Spans of hours in the form of wishes."""


class Terms(NamedTuple):
    """Statements of the operator: name, incentive by language (may be empty), bounds of the counts that leave, address in QR codes."""

    operator: str
    incentives: dict[str, str]
    contacts_max: int
    epsilon_day: str
    decisions_days: int
    visits_days: int
    withdrawals_days: int
    timezone: ZoneInfo
    address: str | None = None


def start(texts: Texts, terms: Terms, ticket: str, zone: str | None, *, has_app: bool) -> Html:
    """The page before a consent; `ticket` is of a check-in that was begun in `zone`. With `has_app` an app may claim the page."""
    incentive = terms.incentives.get(texts.language) or next(iter(terms.incentives.values()), "")
    return document(
        texts,
        texts("start.title"),
        zone and el("p", texts("start.here", zone=place(zone)), class_="notice"),
        el("p", texts("start.intro", operator=terms.operator)),
        el("p", texts("start.local")),
        incentive and el("p", texts("start.incentive", incentive=incentive), class_="incentive"),
        form(
            f"/{texts.language}/consent",
            _purposes(texts, terms, ()),
            ticket and el("input", type="hidden", name="here", value=ticket),
            el("p", texts("start.no")),
            button(texts("start.agree"), "main"),
        ),
        el("p", el("a", texts("app.offer"), href=f"/{texts.language}/app")) if has_app else None,
    )


def my_choices(texts: Texts, terms: Terms, person: SubjectContext, grants: list[Grant], notice: Child, *, may_ask: bool) -> Html:
    """The purposes with their receipt, and the linked tags."""
    granted = tuple(grant.purpose for grant in grants)
    newest = max(grants, key=lambda grant: grant.at_ms, default=None)
    tags = [tag for tag in person.tags if not is_page(tag)]
    pages = len(person.tags) - len(tags)
    return document(
        texts,
        texts("choices.title"),
        form(f"/{texts.language}/consent", _purposes(texts, terms, granted), button(texts("choices.save"), "main")),
        join(el("h2", texts("choices.receipt")), receipt(texts, terms, newest)) if newest is not None else None,
        _control(texts) if may_ask else None,
        el("h2", texts("choices.tags")),
        el("ul", [el("li", tag) for tag in tags]) if tags else el("p", texts("choices.tags_none")),
        join(el("h2", texts("choices.pages")), _unlink(texts, pages)) if pages else None,
        el("h2", texts("choices.link")),
        el("p", texts("choices.link_about")),
        form(
            f"/{texts.language}/tag",
            _field(texts("choices.tag"), "tag", required=True, autocomplete="off"),
            _field(texts("choices.code"), "code", autocomplete="off"),
            button(texts("choices.link_button")),
        ),
        here="choices",
        is_known=True,
        notice=notice,
    )


def _unlink(texts: Texts, pages: int) -> Html:
    return form(f"/{texts.language}/unlink", el("p", texts("choices.pages_about", pages=pages)), button(texts("choices.unlink")))


def receipt(texts: Texts, terms: Terms, grant: Grant) -> Html:
    """The row of the register for a consent."""
    return facts(
        (texts("choices.number"), str(grant.change or 0)),
        (texts("choices.given"), moment(grant.at_ms, terms.timezone)),
        (texts("choices.until"), moment(grant.expires_at_ms, terms.timezone) if grant.expires_at_ms else None),
        (texts("choices.version"), f"{grant.version} ({grant.wording or '-'})"),
        (texts("choices.source"), texts(f"choices.source_{grant.source}")),
    )


def wishes(texts: Texts, campaign: Campaign, stated: Wishes, notice: Child) -> Html:
    """The form of blocked and preferred names, and of hours without offers."""
    names = titles(campaign)
    groups = [
        el(
            "fieldset",
            el("legend", texts(f"wishes.{kind}")),
            [
                el(
                    "div",
                    el("span", names.get(name, place(name))),
                    _tick(texts("wishes.blocked"), f"blocked.{kind}", name, is_on=name in _of(stated.blocked, kind)),
                    _tick(texts("wishes.wanted"), f"wanted.{kind}", name, is_on=name in _of(stated.wanted, kind)),
                    class_="wish",
                    role="group",
                    aria_label=names.get(name, place(name)),
                )
                for name in found
            ],
        )
        for kind, found in sorted(choices(campaign).items())
    ]
    spans = [*stated.hours, *[(None, None)] * max(1, SPANS - len(stated.hours))]
    hours = el(
        "fieldset",
        el("legend", texts("wishes.hours")),
        [
            el("div", _time(texts("wishes.from"), "from", start), _time(texts("wishes.to"), "to", end), class_="span")
            for start, end in spans
        ],
    )
    return document(
        texts,
        texts("wishes.title"),
        el("p", texts("wishes.about")),
        form(f"/{texts.language}/wishes", groups, hours, button(texts("wishes.save"), "main")),
        here="wishes",
        is_known=True,
        notice=notice,
    )


def stop(texts: Texts) -> Html:
    """The question before a withdrawal: the second of two taps."""
    return document(
        texts,
        texts("stop.title"),
        el("p", texts("stop.about")),
        el("p", texts("stop.sales")),
        form(f"/{texts.language}/stop", button(texts("stop.button"), "danger")),
        el("p", el("a", texts("stop.back"), href=f"/{texts.language}/offers")),
        here="stop",
        is_known=True,
    )


def gone(texts: Texts, terms: Terms, at_ms: int, number: str, rows: dict[str, int]) -> Html:
    """The receipt of an erasure."""
    deleted = [el("li", texts("gone.rows", table=texts(f"tables.{table}"), rows=count)) for table, count in rows.items()]
    return document(
        texts,
        texts("gone.title"),
        el("p", texts("gone.about", days=terms.withdrawals_days) if number else texts("gone.nothing")),
        el("h2", texts("gone.receipt")),
        facts(
            (texts("gone.time"), moment(at_ms, terms.timezone)),
            (texts("gone.number"), number or None),
        ),
        deleted and join(el("h2", texts("gone.deleted")), el("ul", deleted)),
        el("p", texts("gone.keep")),
        el("p", el("a", texts("gone.again"), href=f"/{texts.language}/")),
    )


def refused(texts: Texts, reason: str, **values: str) -> Html:
    """A refusal as a page."""
    return document(
        texts,
        texts("refused.title"),
        el("p", texts(f"refused.{reason}", **values), role="alert"),
        el("p", el("a", texts("refused.start"), href=f"/{texts.language}/")),
    )


def _purposes(texts: Texts, terms: Terms, granted: tuple[str, ...]) -> Html:
    """One box for each purpose, none of them ticked before a person ticks it."""
    boxes = [
        el(
            "div",
            _tick(texts(f"purposes.{purpose}.name"), "purpose", purpose, is_on=purpose in granted, described=f"about-{purpose}"),
            el("p", texts(f"purposes.{purpose}.about", contacts=terms.contacts_max), id=f"about-{purpose}"),
            class_="purpose",
        )
        for purpose in PURPOSES
    ]
    days = [el("option", texts("start.days", days=count), value=count, selected=count == DAYS[-1]) for count in DAYS]
    return join(
        el("fieldset", el("legend", texts("start.title_purposes")), boxes),
        el("p", el("label", texts("start.valid"), " ", el("select", days, name="days"))),
        el("p", texts("start.text", version=CONSENT_VERSION, wording=texts.wording), class_="small"),
    )


def _control(texts: Texts) -> Html:
    """The question of perceived control: each statement with a scale."""
    groups = [
        el(
            "fieldset",
            el("legend", texts(f"control.{item}")),
            el(
                "div",
                [el("label", el("input", type="radio", name=item, value=value, required=True), " ", value) for value in SCALE],
                class_="scale",
            ),
        )
        for item in ITEMS
    ]
    sent = form(f"/{texts.language}/control", el("p", texts("control.about")), groups, button(texts("control.send")))
    return join(el("h2", texts("control.title")), sent)


def _tick(text: str, name: str, value: str, *, is_on: bool, described: str | None = None) -> Html:
    box = el("input", type="checkbox", name=name, value=value, checked=is_on, aria_describedby=described)
    return el("label", box, " ", el("span", text), class_="tick")


def _field(text: str, name: str, *, required: bool = False, autocomplete: str | None = None) -> Html:
    return el(
        "label", text, el("input", type="text", name=name, required=required, autocomplete=autocomplete, maxlength=120), class_="field"
    )


def _time(text: str, name: str, minute: int | None) -> Html:
    value = None if minute is None else f"{minute // 60:02d}:{minute % 60:02d}"
    return el("label", text, " ", el("input", type="time", name=name, value=value))


def _of(named: Named, kind: str) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(named, kind)
    return found
