"""The page with the offers of the moment, the page of everything that is kept, and the screen with a zone's code."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import segno

from gateway.core.channels import is_page
from gateway.core.explanation import TIMES_OF_DAY
from gateway.core.records import OfferCounts
from gateway.core.site import local
from gateway.page.forms import NO_REASON, REASONS, REPLIES
from gateway.page.frame import button, clock, document, facts, form, moment, place
from gateway.page.markup import Child, Html, el, join

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from gateway.core.records import HourCounts
    from gateway.page.kept import Decided, Kept, Stay
    from gateway.page.texts import Texts
    from gateway.page.views import Terms

NORMAL_95 = 1.96
PERIODS = ("night", "morning", "noon", "afternoon", "evening")


class Live(NamedTuple):
    """An offer that is open, or taken and not over; `expires_at_ms` is its end, and `is_fresh` one without any answer."""

    decision: str
    title: str
    body: str
    shop: str
    why: str
    expires_at_ms: int
    coupon: str
    is_taken: bool
    is_fresh: bool


def why(texts: Texts, decided: Decided, timezone: ZoneInfo) -> str:
    """The sentence why an offer came: place, time of day and occasion."""
    hour = local(decided.at_ms, timezone).hour
    period = next((name for (before, _), name in zip(TIMES_OF_DAY, PERIODS, strict=True) if hour < before), PERIODS[0])
    return texts(f"why.{decided.occasion}", place=place(decided.zone), time=texts(f"time.{period}"))


def offers(
    texts: Texts, terms: Terms, live: list[Live], stays: tuple[Stay, ...], *, may_offer: bool, ticket: str, zone: str | None, notice: Child
) -> Html:
    """The start page after a consent; `ticket` is of a check-in that was begun in `zone`."""
    checkin = ticket and form(
        f"/{texts.language}/checkin",
        el("p", texts("offers.checkin_about")),
        el("input", type="hidden", name="here", value=ticket),
        button(texts("offers.checkin", zone=place(zone or "")), "main"),
        class_="checkin",
    )
    return document(
        texts,
        texts("offers.title"),
        checkin,
        el(
            "div",
            fragment(texts, terms, live, stays, may_offer=may_offer),
            id="live",
            aria_live="polite",
            data_source=f"/{texts.language}/live",
        ),
        el("p", el("a", texts("offers.reload"), href=f"/{texts.language}/offers")),
        here="offers",
        is_known=True,
        notice=notice,
    )


def fragment(texts: Texts, terms: Terms, live: list[Live], stays: tuple[Stay, ...], *, may_offer: bool) -> Html:
    """The part that changes as offers come and expire."""
    if not may_offer:
        return el("p", texts("offers.unwanted"))
    where = texts("offers.where", zones=", ".join(place(stay.zone) for stay in stays)) if stays else texts("offers.nowhere")
    cards = [_card(texts, terms, one) for one in live]
    return join(el("p", where), el("p", texts("offers.none")) if not cards else None, cards)


def _card(texts: Texts, terms: Terms, one: Live) -> Html:
    until = el("p", texts("offers.until", time=clock(one.expires_at_ms, terms.timezone)), class_="small")
    taken = join(el("p", texts("offers.accepted"), class_="notice"), one.coupon and _coupon(texts, one.coupon))
    return el(
        "article",
        el("h2", one.title),
        one.body and el("p", one.body),
        el("p", texts("offers.shop", shop=place(one.shop))),
        el("p", one.why, class_="why"),
        until,
        taken if one.is_taken else _answers(texts, one.decision),
        class_="offer",
    )


def _answers(texts: Texts, decision: str) -> Html:
    reasons = [el("option", texts(f"reasons.{name}"), value=name) for name in (NO_REASON, *REASONS)]
    replies = [el("option", texts(f"replies.{name}"), value=name) for name in (NO_REASON, *REPLIES)]
    known = el("input", type="hidden", name="decision", value=decision)
    path = f"/{texts.language}/answer"
    return el(
        "div",
        form(
            path,
            known,
            el("label", texts("replies.label"), " ", el("select", replies, name="reason")),
            button(texts("offers.accept"), "main", name="answer", value="accepted"),
        ),
        form(
            path,
            known,
            el("label", texts("reasons.label"), " ", el("select", reasons, name="reason")),
            button(texts("offers.dismiss"), name="answer", value="dismissed"),
            class_="dismiss",
        ),
        class_="answers",
    )


def _coupon(texts: Texts, code: str) -> Html:
    return el("div", el("p", texts("offers.coupon")), qr(code, texts("offers.coupon")), el("p", code, class_="code"), class_="coupon")


def qr(content: str, label: str) -> Html:
    """A QR code as inline SVG, black on white in both colour schemes."""
    made = segno.make(content, error="m", micro=False)
    drawn = Html(made.svg_inline(scale=4, border=4, omitsize=True, svgclass=None, lineclass=None))
    return el("div", drawn, class_="qr", role="img", aria_label=label)


def what_is_kept(texts: Texts, terms: Terms, kept: Kept, titles: dict[str, str], left: list[HourCounts | OfferCounts]) -> Html:
    """Everything that is kept of a person, readable."""
    sent = [one for one in kept.decisions if one.offer is not None]
    return document(
        texts,
        texts("kept.title"),
        el("p", texts("kept.about")),
        _sections(texts, terms, kept, titles),
        el("h2", texts("kept.offers")),
        el("p", texts("kept.offers_about", days=terms.decisions_days)),
        [_sent(texts, terms, one, titles) for one in sent] or el("p", texts("kept.no_offers")),
        el("h2", texts("kept.counts")),
        el("p", _counts(texts, terms, kept)),
        el("p", texts("kept.counts_left")) if left else None,
        el("ul", [el("li", row) for row in _left(texts, terms, kept, titles, left)]) if left else None,
        el("h2", texts("kept.export")),
        el("p", texts("kept.export_about")),
        el(
            "ul",
            el("li", el("a", texts("kept.export_json"), href=f"/{texts.language}/export.json", download=True)),
            el("li", el("a", texts("kept.export_sqlite"), href=f"/{texts.language}/export.sqlite", download=True)),
        ),
        el("p", texts("kept.print")),
        here="kept",
        is_known=True,
    )


def _left(texts: Texts, terms: Terms, kept: Kept, titles: dict[str, str], left: list[HourCounts | OfferCounts]) -> list[Html]:
    """The newest counts of all zones, and of the offers that the person had; each with the error that its noise brings."""
    mine, rows = {one.offer for one in kept.decisions}, []
    for record in left:
        if isinstance(record, OfferCounts) and record.offer not in mine:
            continue
        zones = (texts("kept.all_zones"),) if isinstance(record, OfferCounts) and record.sums_zones else tuple(map(place, record.zones))
        cells = len(record.counts) // len(zones)
        error = round(NORMAL_95 * (record.noise.variance * cells) ** 0.5)
        name = titles.get(record.offer, record.offer) if isinstance(record, OfferCounts) else texts("kept.sent")
        start, end = (moment(at_ms, terms.timezone) for at_ms in (record.window_start_ms, record.window_start_ms + record.window_ms))
        for at, zone in enumerate(zones):
            count = max(0, sum(record.counts[at * cells : (at + 1) * cells]))
            rows.append(join(f"{name}, {zone}: {count} ± {error} (", start, " - ", end, ")"))
    return rows


def _wishes(texts: Texts, kept: Kept, titles: dict[str, str]) -> list[Html]:
    """The stated names and hours."""
    if kept.wishes is None:
        return []
    rows = [
        join(f"{texts(f'wishes.{kind}')}, {texts(f'wishes.{mood}')}: ", ", ".join(titles.get(name, place(name)) for name in names))
        for mood, named in (("blocked", kept.wishes.blocked), ("wanted", kept.wishes.wanted))
        for kind in ("categories", "shops", "offers")
        if (names := getattr(named, kind))
    ]
    spans = [f"{start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d}" for start, end in kept.wishes.hours]
    return rows + ([join(texts("wishes.hours"), ": ", ", ".join(spans))] if spans else [])


def _sections(texts: Texts, terms: Terms, kept: Kept, titles: dict[str, str]) -> Html:
    """The parts of which something is kept, and the names of the others in one sentence."""
    timezone = terms.timezone
    visits = [
        join(place(one.zone), ", ", moment(one.entered_ms, timezone), " - ", clock(one.left_ms or 0, timezone)) for one in kept.visits
    ]
    purchases = [
        join(moment(one.at_ms, timezone), f", {(one.amount_minor or 0) / 100:.2f}") for one in kept.facts if one.kind == "purchase"
    ]
    found: dict[str, list[Html]] = {
        "purposes": [join(texts(f"purposes.{one.purpose}.name"), " (", moment(one.at_ms, timezone), ")") for one in kept.consents],
        "identifiers": [join(one) for one in kept.identifiers if not is_page(one)],
        "wishes": _wishes(texts, kept, titles),
        "places": [join(place(one.zone), ", ", moment(one.entered_ms, timezone)) for one in kept.presences],
        "visits": visits,
        "purchases": purchases,
        "stated": [join(name, ": ", str(value)) for name, value in kept.stated.items()],
        "learned": [Html(el("code", name.partition(":")[0])) for name in kept.attributes],
    }
    about = {"visits": texts("kept.visits_about", days=terms.visits_days)}
    shown = [
        join(el("h2", texts(f"kept.{name}")), el("p", about[name]) if name in about else None, el("ul", [el("li", row) for row in rows]))
        for name, rows in found.items()
        if rows
    ]
    empty = ", ".join(texts(f"kept.{name}") for name, rows in found.items() if not rows)
    return join(shown, empty and el("p", texts("kept.nothing", names=empty)))


def _sent(texts: Texts, terms: Terms, one: Decided, titles: dict[str, str]) -> Html:
    return el(
        "article",
        el("h3", titles.get(one.offer or "", one.offer or "")),
        el("p", why(texts, one, terms.timezone), class_="why"),
        facts((texts("gone.time"), moment(one.at_ms, terms.timezone)), (texts("kept.answer"), texts(f"answers.{one.answer or 'none'}"))),
        class_="offer",
    )


def _counts(texts: Texts, terms: Terms, kept: Kept) -> str:
    if all(one.purpose != "measurement" for one in kept.consents):
        return texts("kept.counts_none")
    used = max(kept.contacts_waiting.get(table, 0) for table in ("hours", "offers"))
    return texts("kept.counts_today", used=used, most=terms.contacts_max, epsilon=terms.epsilon_day)


def link_app(texts: Texts, device: str, code: str) -> Html:
    """The page with the code for a person's app: the fields that the app adds to its consent."""
    fields = msgspec.json.encode({"tags": [device], "codes": {device: code}}).decode()
    return document(
        texts,
        texts("app.title"),
        el("p", texts("app.about")),
        qr(fields, texts("app.title")),
        el("p", fields, class_="code"),
        form(
            f"/{texts.language}/app",
            el("p", texts("app.confirm")),
            el(
                "label",
                texts("app.number"),
                el("input", type="text", name="number", inputmode="numeric", autocomplete="off", required=True, maxlength=9),
                class_="field",
            ),
            button(texts("app.link"), "main"),
        ),
        el("p", texts("app.own"), class_="notice"),
        el("p", texts("app.wait"), class_="small"),
        el("p", el("a", texts("app.again"), href=f"/{texts.language}/app")),
        el("p", el("a", texts("app.back"), href=f"/{texts.language}/")),
    )


def screen(texts: Texts, zone: str, address: str, seconds: int) -> Html:
    """The page for a screen in a zone: a code that changes."""
    return document(
        texts,
        texts("screen.title", zone=place(zone)),
        el("p", texts("screen.about")),
        qr(address, texts("screen.about")),
        el("p", address, class_="code"),
        el("p", texts("screen.again", seconds=seconds), class_="small"),
    )
