"""The frame of every page: head, navigation, languages; and small parts that several pages use."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from gateway.page.markup import Child, Html, el, join
from gateway.page.texts import all_texts

if TYPE_CHECKING:
    from gateway.page.texts import Texts

PAGES = ("offers", "choices", "wishes", "kept")
"""Pages after a consent, in the order of the navigation; the first one is the start page."""


def document(texts: Texts, title: str, *content: Child, here: str = "", is_known: bool = False, notice: Child = None) -> Html:
    """A whole page. `here` is its path after the language, `is_known` adds the navigation after a consent."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", title),
        el("link", rel="stylesheet", href="/page.css"),
        el("link", rel="icon", href="data:,"),
        el("script", src="/page.js", defer=True),
    )
    main = el("main", el("h1", title), notice and el("p", notice, class_="notice", role="status"), *content, id="content")
    body = el(
        "body",
        el("a", texts("skip"), href="#content", class_="skip"),
        _navigation(texts, here) if is_known else None,
        main,
        el("footer", _stop(texts, here) if is_known else None, _languages(texts, here)),
    )
    return join(Html("<!doctype html>"), el("html", head, body, lang=texts.language))


def button(text: str, kind: str = "", **attributes: str) -> Html:
    """A button that sends its form."""
    return el("button", text, type="submit", class_=kind or None, **attributes)


def form(path: str, *content: Child, class_: str | None = None) -> Html:
    """A form that is sent to `path`."""
    return el("form", *content, method="post", action=path, class_=class_)


def facts(*rows: tuple[str, Child]) -> Html:
    """Names and values, one below the other; rows without a value are left out."""
    return el("dl", [join(el("dt", name), el("dd", value)) for name, value in rows if value is not None])


def place(zone: str) -> str:
    """The name of a zone or shop for people."""
    return zone.replace("-", " ").replace("_", " ")


def moment(at_ms: int, timezone: ZoneInfo) -> Html:
    """A date and time at the site, as ISO 8601 to the minute."""
    local = datetime.fromtimestamp(at_ms / 1000, timezone)
    return el("time", f"{local:%Y-%m-%d %H:%M}", datetime=local.isoformat(timespec="seconds"))


def clock(at_ms: int, timezone: ZoneInfo) -> str:
    """A time of day at the site, to the minute."""
    return f"{datetime.fromtimestamp(at_ms / 1000, timezone):%H:%M}"


def _navigation(texts: Texts, here: str) -> Html:
    links = [
        el("li", el("a", texts(f"nav.{page}"), href=f"/{texts.language}/{page}", aria_current="page" if page == here else None))
        for page in PAGES
    ]
    return el("nav", el("ul", links), aria_label=texts("nav.label"))


def _stop(texts: Texts, here: str) -> Html | None:
    return None if here == "stop" else el("p", el("a", texts("nav.stop"), href=f"/{texts.language}/stop", class_="stop"))


def _languages(texts: Texts, here: str) -> Html:
    links = [
        el("li", el("a", other("language"), href=f"/{code}/{here}", lang=code, aria_current="true" if code == texts.language else None))
        for code, other in all_texts().items()
    ]
    return el("nav", el("ul", links, class_="languages"), aria_label=texts("nav.languages"))
