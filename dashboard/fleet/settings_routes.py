"""The form for the settings of a gateway: stated by the desk, tried out by the gateway, and taken back if it loses broker or desk."""

from __future__ import annotations

import hashlib

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Connection, select

from dashboard.fleet import desired_settings as wishes
from dashboard.fleet.desired_settings import SettingsFault, Wish
from dashboard.gateways import known_gateways
from dashboard.live import Notifier
from dashboard.people.accounts import Accounts
from dashboard.refusals import Refused
from dashboard.rendering import Rendering, fields
from dashboard.schema import desired, reported
from dashboard.settings import Settings
from dashboard.store import Store
from dashboard.studio.publisher import Publisher, required


class SettingsPages:
    """Handlers of the form."""

    def __init__(
        self, settings: Settings, store: Store, accounts: Accounts, rendering: Rendering, publisher: Publisher | None, orders: Notifier
    ) -> None:
        self._settings, self._store, self._accounts, self._rendering = settings, store, accounts, rendering
        self._publisher, self._orders = publisher, orders

    def routes(self) -> APIRouter:
        """The routes of this room."""
        router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        router.add_api_route("/gateways/{gateway}/settings", self.page)
        router.add_api_route("/gateways/{gateway}/settings", self.save, methods=["POST"])
        return router

    def page(self, request: Request, gateway: str) -> Response:
        """The form. Raises Refused (404) for an unknown gateway, and on a desk that gives no orders."""
        required(self._publisher)
        with self._store.reading() as connection:
            wish = self._wish(connection, gateway)
            return self._page(request, connection, gateway, wish, wish.text if wish else "", {})

    async def save(self, request: Request, gateway: str) -> Response:
        """State new settings; a fault is shown on its field, with all that was typed. Raises Refused (404) as `page`."""
        publisher, form = required(self._publisher), request.state.form
        (typed,) = fields(request, "text")
        chosen = {field.key: str(form[field.key]) for field in wishes.FIELDS if field.key in form}
        account, now_ms = request.state.caller.account, self._settings.now_ms()
        with self._store.writing() as connection:
            wish = self._wish(connection, gateway)
            text, faults = _changed(wish.text if wish else "", typed.replace("\r\n", "\n"), chosen, is_text="text" in form)
            if faults:
                shown = chosen if "text" not in form else {}
                return self._page(request, connection, gateway, wish, text, shown, faults)
            wishes.keep_wish(connection, gateway, Wish(text, now_ms, account))
            publisher.order_settings(connection, gateway, now_ms)
            self._accounts.note(connection, account, "settings stated", gateway)
        self._orders.notify()
        return RedirectResponse(f"/gateways/{gateway}/settings", 303)

    def _page(
        self,
        request: Request,
        connection: Connection,
        gateway: str,
        wish: Wish | None,
        text: str,
        typed: dict[str, str],
        faults: tuple[SettingsFault, ...] = (),
    ) -> Response:
        context = {
            "gateway": gateway,
            "wish": wish,
            "text": text,
            "values": wishes.values(text) | typed,
            "fields": wishes.FIELDS,
            "errors": {fault.key: fault.cause for fault in faults},
            "state": _state(connection, gateway, wish),
        }
        return HTMLResponse(self._rendering.page(request, "gateway-settings.html", **context), 422 if faults else 200)

    def _wish(self, connection: Connection, gateway: str) -> Wish | None:
        """The settings of a known gateway. Raises Refused (404) for another one."""
        if gateway not in known_gateways(connection):
            raise Refused(404, "This gateway is unknown. Choose one below, or add it to the token file.")
        return wishes.wish_of(connection, gateway)


def _changed(before: str, typed: str, chosen: dict[str, str], *, is_text: bool) -> tuple[str, tuple[SettingsFault, ...]]:
    """The text that was sent, or the present one with the sent fields; and its faults."""
    if is_text:
        return typed, tuple(wishes.check(typed))
    try:
        text, faults = wishes.written(before, chosen)
    except Refused as fault:
        return before, (SettingsFault("text", fault.line),)
    return text, tuple(faults)


def _state(connection: Connection, gateway: str, wish: Wish | None) -> tuple[str, str]:
    """A class and a sentence: whether the gateway uses the settings, tries these out, or refused these."""
    order = connection.execute(select(desired.c.serial).where(desired.c.gateway == gateway)).first()
    report = connection.execute(select(reported).where(reported.c.gateway == gateway)).first()
    if wish is None:
        return "fresh", "It uses the settings of its own file."
    if report is not None and order is not None and report.serial >= order.serial and report.fault:
        return "silent", f"It uses its settings of before: {report.fault}."
    in_use = hashlib.sha256(wish.text.encode()).hexdigest() if wish.text else ""
    if report is not None and order is not None and report.serial >= order.serial and report.settings == in_use:
        return "fresh", "It uses these settings."
    return "late", "They are on their way to the gateway, or on trial there."
