"""Routes of the page, and its one request handler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from gateway.core.http import Request, Response
from gateway.core.ports import StoreError
from gateway.core.signed_codes import ExpiredCodeError, WrongCodeError
from gateway.page import export, forms, offer_views, views
from gateway.page.actions import CODE_MS, Actions, BusyError
from gateway.page.forms import FormError
from gateway.page.owners import is_own
from gateway.page.streams import STOP, STREAMS_MAX, Shown, Streams
from gateway.page.texts import Texts, all_texts, preferred

if TYPE_CHECKING:
    from gateway.core.context import SubjectContext
    from gateway.page.kept import Kept
    from gateway.page.markup import Html

HTML = "text/html; charset=utf-8"
FORM = "application/x-www-form-urlencoded"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
STATIC: Mapping[str, str] = {"/page.css": "text/css; charset=utf-8", "/page.js": "text/javascript; charset=utf-8"}


class Visit(NamedTuple):
    """A request in a language, with the fields of its query or form; `device` is that of the page, `person` has consented on it."""

    request: Request
    texts: Texts
    fields: forms.Fields
    token: str | None
    device: str | None
    person: SubjectContext | None


Answer = Callable[["Page", Visit], Awaitable[Response]]


class Page:
    """Answers requests; `handle` never raises. Used by the thread of its server."""

    def __init__(self, actions: Actions, terms: views.Terms) -> None:
        """`actions` reads and changes, `terms` are stated by the operator."""
        self._do, self._terms = actions, terms
        self.streams = Streams()
        folder = resources.files("gateway.page") / "static"
        self._static = {path: (folder / path[1:]).read_bytes() for path in STATIC}

    async def handle(self, request: Request) -> Response:
        """The response to a request."""
        texts = self._texts(request)
        try:
            response = await self._answer(request, texts)
        except FormError as error:
            response = _html(views.refused(texts, "wrong_form", field=error.field), 422)
        except ExpiredCodeError:
            response = _html(views.refused(texts, "expired_code"), 410)
        except WrongCodeError:
            response = _html(views.refused(texts, "wrong_code"), 403)
        except (BusyError, StoreError):
            response = _html(views.refused(texts, "busy"), 503)
        return response._replace(headers=(*response.headers, *HEADERS))

    def _texts(self, request: Request) -> Texts:
        code = request.path.strip("/").partition("/")[0]
        known = all_texts()
        return known[code] if code in known else known[preferred(request.headers.get("accept-language", ""))]

    async def _answer(self, request: Request, texts: Texts) -> Response:
        if request.path in self._static:
            return Response(200, self._static[request.path], STATIC[request.path])
        head, _, rest = request.path[1:].partition("/")
        if request.path == "/" or head == "in":
            return redirect(f"/{texts.language}/" + (f"?code={rest}" if head else ""))
        found = ROUTES.get(rest) if head == texts.language else None
        if found is None:
            return _html(views.refused(texts, "not_found"), 404)
        return await self._routed(request, texts, found)

    async def _routed(self, request: Request, texts: Texts, found: Mapping[str, Answer]) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        if method not in found:
            return _html(views.refused(texts, "method"), 405)
        if method == "POST" and not is_own(request):
            return _html(views.refused(texts, "foreign"), 403)
        return await found[method](self, await self._visit(request, texts, method, found))

    async def _visit(self, request: Request, texts: Texts, method: str, found: Mapping[str, Answer]) -> Visit:
        is_no = found is ROUTES["stop"]  # a no is taken with any fields
        fields = {} if is_no else _fields(request, is_form=method == "POST")
        token = self._do.owners.token(request)
        device = self._do.owners.device(token) if token else None
        person = await self._do.person(device) if device else None
        return Visit(request, texts, fields, token, device, person)

    # --- pages -------------------------------------------------------------------------------------------------

    async def start(self, visit: Visit) -> Response:
        """The page before a consent, or the offers after one."""
        code = forms.one(visit.fields, "code")
        ticket, zone = "", None
        if code:
            zone = self._do.zone_of(code)
            ticket = self._do.ticket(zone)
        if visit.person is not None:
            return await self._offers(visit, visit.person, ticket, zone)
        return _html(views.start(visit.texts, self._terms, ticket, zone, has_app=self._do.app_code("") is not None))

    async def offers(self, visit: Visit) -> Response:
        """The offers of the moment."""
        return _stranger(visit) if visit.person is None else await self._offers(visit, visit.person)

    async def _offers(self, visit: Visit, person: SubjectContext, ticket: str = "", zone: str | None = None) -> Response:
        texts = visit.texts
        live, stays = await self._do.shown(person, texts)
        notice = texts("choices.saved") if forms.one(visit.fields, "done") == "consent" else None
        page = offer_views.offers(
            texts, self._terms, live, stays, may_offer=self._do.may_offer(person), ticket=ticket, zone=zone, notice=notice
        )
        return _html(page)

    async def app(self, visit: Visit) -> Response:
        """The code for a person's app, and the field for the number that the app then shows."""
        if visit.person is not None:
            return redirect(f"/{visit.texts.language}/offers")
        token = visit.token or self._do.new_token()
        device = self._do.owners.device(token)
        code = self._do.app_code(device)
        if code is None:
            return _html(views.refused(visit.texts, "not_found"), 404)
        page = offer_views.link_app(visit.texts, device, code)
        return _html(page, 200, self._do.owners.set_cookie(token, is_linked=False))

    async def link_app(self, visit: Visit) -> Response:
        """Link the page with the app whose number was typed."""
        if visit.token is None or visit.device is None or visit.person is not None:
            return _stranger(visit) if visit.person is None else redirect(f"/{visit.texts.language}/offers")
        if not await self._do.link_app(visit.device, forms.one(visit.fields, "number")):
            return _html(views.refused(visit.texts, "wrong_number"), 403)
        return redirect(f"/{visit.texts.language}/choices?done=app", self._do.owners.set_cookie(visit.token))

    async def unlink(self, visit: Visit) -> Response:
        """End the links of all pages of the app."""
        if visit.person is None or visit.device is None:
            return _stranger(visit)
        if visit.device == visit.person.device:
            return redirect(f"/{visit.texts.language}/choices")
        await self._do.unlink_pages(visit.device)
        return redirect(f"/{visit.texts.language}/", self._do.owners.drop_cookie())

    async def consent(self, visit: Visit) -> Response:
        """Take the purposes that were ticked; none of them is a no."""
        purposes = forms.purposes(visit.fields)
        if not purposes:
            return await self.stop(visit)
        days = forms.number(visit.fields, "days", views.DAYS)
        ticket = forms.one(visit.fields, "here")
        token = visit.token if visit.person is not None and visit.token else self._do.new_token()
        device = self._do.owners.device(token)
        receipt = await self._do.consent(device, visit.person, purposes, days, visit.texts.wording)
        if receipt.get("outcome") != "taken":
            return _html(views.refused(visit.texts, "full" if receipt.get("outcome") == "full" else "busy"), 503)
        if ticket:
            await self._do.check_in(device, ticket)
        return redirect(f"/{visit.texts.language}/offers?done=consent", self._do.owners.set_cookie(token))

    async def check_in(self, visit: Visit) -> Response:
        """Enter the zone of a ticket."""
        if visit.person is None or visit.device is None:
            return _stranger(visit)
        await self._do.check_in(visit.device, forms.one(visit.fields, "here"))
        return redirect(f"/{visit.texts.language}/offers")

    async def answer(self, visit: Visit) -> Response:
        """Take the answer to an offer."""
        if visit.person is None:
            return _stranger(visit)
        if not await self._do.answer(visit.person, visit.fields):
            return _html(views.refused(visit.texts, "no_answer"), 409)
        return redirect(f"/{visit.texts.language}/offers")

    async def choices(self, visit: Visit) -> Response:
        """The purposes and tags of a person."""
        if visit.person is None:
            return _stranger(visit)
        claim = forms.one(visit.fields, "claim")
        notice = visit.texts(f"claims.{claim}") if claim in CLAIMS else None
        done = forms.one(visit.fields, "done")
        if done in NOTICES:
            notice = visit.texts(NOTICES[done])
        grants = await self._do.grants(visit.person)
        may_ask = self._do.may_ask(visit.person)
        return _html(views.my_choices(visit.texts, self._terms, visit.person, grants, notice, may_ask=may_ask))

    async def wishes(self, visit: Visit) -> Response:
        """The form of wishes."""
        if visit.person is None:
            return _stranger(visit)
        notice = visit.texts("wishes.saved") if forms.one(visit.fields, "done") == "wishes" else None
        return _html(views.wishes(visit.texts, self._do.campaign, self._do.wishes(visit.person), notice))

    async def wish(self, visit: Visit) -> Response:
        """Take wishes."""
        if visit.person is None:
            return _stranger(visit)
        await self._do.wish(visit.person, visit.fields, visit.texts.language)
        return redirect(f"/{visit.texts.language}/wishes?done=wishes")

    async def what_is_kept(self, visit: Visit) -> Response:
        """Everything that is kept."""
        if visit.person is None:
            return _stranger(visit)
        kept, left = await self._do.kept(visit.person)
        return _html(offer_views.what_is_kept(visit.texts, self._terms, kept, dict(forms.titles(self._do.campaign)), left))

    async def control(self, visit: Visit) -> Response:
        """Take the answers to the question of perceived control."""
        if visit.person is None:
            return _stranger(visit)
        await self._do.state_control(visit.person, visit.fields)
        return redirect(f"/{visit.texts.language}/choices?done=control")

    async def link(self, visit: Visit) -> Response:
        """Claim a tag."""
        if visit.person is None:
            return _stranger(visit)
        outcome = await self._do.link(visit.person, visit.fields)
        return redirect(f"/{visit.texts.language}/choices?claim={outcome}")

    async def export_json(self, visit: Visit) -> Response:
        """Everything that is kept, as JSON."""
        return await self._export(visit, export.as_json, "application/json", "wayside.json")

    async def export_sqlite(self, visit: Visit) -> Response:
        """Everything that is kept, as an SQLite file."""
        return await self._export(visit, export.as_sqlite, "application/vnd.sqlite3", "wayside.sqlite")

    async def _export(self, visit: Visit, write: Callable[[Kept], bytes], media_type: str, name: str) -> Response:
        if visit.person is None:
            return _stranger(visit)
        kept, _ = await self._do.kept(visit.person)
        content = await asyncio.to_thread(write, kept)
        if self._do.is_withdrawing(visit.person) or await self._do.person(visit.person.device) is None:
            return _html(views.refused(visit.texts, "erasing"), 409)
        return Response(200, content, media_type, (("Content-Disposition", f'attachment; filename="{name}"'),))

    async def live(self, visit: Visit) -> Response:
        """The changing part of the page with the offers, as server-sent events."""
        if visit.person is None or visit.device is None:
            return Response(200, STOP, "text/event-stream")  # a browser that reconnects after a withdrawal loads the page again
        if self.streams.open >= STREAMS_MAX:
            return _html(views.refused(visit.texts, "busy"), 503)
        device, texts = visit.device, visit.texts

        async def render() -> Shown | None:
            person = await self._do.person(device)
            if person is None:
                return None
            live, stays = await self._do.shown(person, texts)
            markup = offer_views.fragment(texts, self._terms, live, stays, may_offer=self._do.may_offer(person))
            ends_ms = min((one.expires_at_ms for one in live), default=None)
            return Shown(markup, None if ends_ms is None else max(0.1, (ends_ms - self._do.now_ms()) / 1000))

        return Response(200, media_type="text/event-stream", parts=self.streams.serve(visit.person.subject, render))

    async def screen(self, visit: Visit) -> Response:
        """The page for a screen in a zone, which loads itself again before its code ends."""
        zone = self._do.screen_zone(forms.one(visit.fields, "key"))
        scheme = "https" if self._do.owners.is_secure else "http"
        address = self._terms.address or f"{scheme}://{visit.request.headers.get('host', '')}"
        page = offer_views.screen(visit.texts, zone, f"{address}/in/{self._do.code(zone)}", CODE_MS // 1000)
        return _html(page, 200, ("Refresh", str(CODE_MS // 1000)))

    async def ask_stop(self, visit: Visit) -> Response:
        """The question before a withdrawal."""
        return _stranger(visit) if visit.person is None else _html(views.stop(visit.texts))

    async def stop(self, visit: Visit) -> Response:
        """Withdraw and erase; a no is taken also if nothing is kept."""
        drop = self._do.owners.drop_cookie()
        if visit.person is None:
            return _html(views.gone(visit.texts, self._terms, self._do.now_ms(), "", {}), 200, drop)
        try:
            number, rows = await self._do.erase(visit.person)
        except (BusyError, StoreError):
            return _html(views.refused(visit.texts, "busy_no"), 503)
        return _html(views.gone(visit.texts, self._terms, self._do.now_ms(), number, rows), 200, drop)


CLAIMS = ("linked", "waiting", "unproven", "contested", "too_many", "not_a_radio")

NOTICES = {"control": "control.thanks", "app": "app.linked"}

ROUTES: Mapping[str, Mapping[str, Answer]] = {
    "": {"GET": Page.start},
    "app": {"GET": Page.app, "POST": Page.link_app},
    "offers": {"GET": Page.offers},
    "answer": {"POST": Page.answer},
    "checkin": {"POST": Page.check_in},
    "consent": {"POST": Page.consent},
    "export.json": {"GET": Page.export_json},
    "export.sqlite": {"GET": Page.export_sqlite},
    "live": {"GET": Page.live},
    "screen": {"GET": Page.screen},
    "control": {"POST": Page.control},
    "tag": {"POST": Page.link},
    "unlink": {"POST": Page.unlink},
    "choices": {"GET": Page.choices},
    "wishes": {"GET": Page.wishes, "POST": Page.wish},
    "kept": {"GET": Page.what_is_kept},
    "stop": {"GET": Page.ask_stop, "POST": Page.stop},
}
"""Path after the language -> method -> answer."""


def redirect(path: str, *headers: tuple[str, str]) -> Response:
    """See another page; a reload of that page sends no form again."""
    return Response(303, headers=(("Location", path), *headers))


def _fields(request: Request, *, is_form: bool) -> forms.Fields:
    """The fields of a form or of the query. Raises FormError."""
    if is_form and request.body and request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise FormError("form")
    try:
        return forms.fields(request.body.decode("ascii") if is_form else request.query)
    except UnicodeDecodeError:
        raise FormError("form") from None


def _html(page: Html, status: int = 200, *headers: tuple[str, str]) -> Response:
    return Response(status, page.encode(), HTML, headers)


def _stranger(visit: Visit) -> Response:
    """The response without a consent: the way to the start, or for an unknown cookie a refusal."""
    if visit.token is None and visit.request.method != "POST":
        return redirect(f"/{visit.texts.language}/")
    return _html(views.refused(visit.texts, "stranger"), 403)
