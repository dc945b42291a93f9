"""Pages of the campaign: offers and gateways at a glance, and each version with its sign-off and publication."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Connection, select

from dashboard.gateways import known_gateways
from dashboard.live import Notifier
from dashboard.people.accounts import Accounts
from dashboard.refusals import Refused
from dashboard.rendering import Rendering, fields
from dashboard.schema import bundles, stops
from dashboard.settings import Settings
from dashboard.store import Store
from dashboard.studio import versions
from dashboard.studio.check import Checked, check
from dashboard.studio.publisher import Publisher, known_zones, required, ring, standings
from dashboard.studio.versions import Approval
from dashboard.studio.words import differences, money

REFUSED_KINDS = (409, 422)  # shown on the page of the form


class CampaignPages:
    """Handlers of the pages. Changes run on the event loop, so that held requests of gateways can be woken."""

    def __init__(
        self, settings: Settings, store: Store, accounts: Accounts, rendering: Rendering, publisher: Publisher | None, orders: Notifier
    ) -> None:
        self._settings, self._store, self._accounts, self._rendering = settings, store, accounts, rendering
        self._publisher, self._orders = publisher, orders

    def routes(self) -> APIRouter:
        """The routes of this room."""
        router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        router.add_api_route("/campaign", self.overview)
        router.add_api_route("/campaign/versions/{number}", self.version)
        for name, handler in (
            ("sign", self.sign),
            ("publish", self.publish),
            ("stop", self.stop),
            ("resume", self.resume),
        ):
            router.add_api_route(f"/campaign/{name}", handler, methods=["POST"])
        return router

    def overview(self, request: Request) -> Response:
        """Offers, gateways and versions."""
        return self._overview(request)

    def _overview(self, request: Request, fault: str = "") -> Response:
        publisher = self._publisher
        if publisher is None:
            return HTMLResponse(self._rendering.page(request, "no-studio.html"))
        with self._store.reading() as connection:
            newest = versions.newest(connection)
            checked = self._check(connection, newest.text if newest else "")
            published = {row.campaign: row.halted for row in connection.execute(select(bundles.c.campaign, bundles.c.halted))}
            context = {
                "newest": newest,
                "offers": checked.campaign.offers if checked.campaign else (),
                "time_zone_of_campaign": checked.time_zone,
                "faults": checked.faults,
                "silent": checked.silent,
                "stops": {row.offer: row for row in connection.execute(select(stops))},
                "standings": standings(connection, known_gateways(connection)),
                "versions": [(one, versions.approvals(connection, one.number), published) for one in versions.all_versions(connection)],
                "money": self._money,
            }
        return HTMLResponse(self._rendering.page(request, "campaign.html", fault=fault, **context), 409 if fault else 200)

    def version(self, request: Request, number: int) -> Response:
        """One version. Raises Refused (404)."""
        return self._version(request, number)

    def _version(self, request: Request, number: int, fault: str = "") -> Response:
        publisher = self._studio()
        with self._store.reading() as connection:
            of = versions.version(connection, number)
            given = versions.approvals(connection, number)
            checked = self._check(connection, of.text)
            before = self._check(connection, versions.version(connection, number - 1).text).campaign if number > 1 else None
            changes = (
                differences(before, checked.campaign, publisher.base.schema.currency, checked.time_zone)
                if before and checked.campaign
                else []
            )
            bundle = connection.execute(select(bundles.c.halted).where(bundles.c.campaign == number)).first()
            context: dict[str, Any] = {
                "of": of,
                "given": given,
                "checked": checked,
                "changes": changes,
                "missing": "" if bundle is not None else versions.missing_approval(given),
                "halted": bundle.halted if bundle is not None else "",
                "gateways": known_gateways(connection),
                "questions": versions.QUESTIONS,
            }
        return HTMLResponse(self._rendering.page(request, "version.html", fault=fault, **context), 409 if fault else 200)

    async def sign(self, request: Request) -> Response:
        """Sign a version off."""
        self._studio()
        number = _number(request)
        answers = dict(
            zip((name for name, _ in versions.QUESTIONS), fields(request, *(name for name, _ in versions.QUESTIONS)), strict=True)
        )
        if not set(answers.values()) <= {"yes", "no"}:
            return self._version(request, number, "Answer all three questions.")
        account = request.state.caller.account
        try:
            with self._store.writing() as connection:
                given = Approval(account, self._settings.now_ms(), **{name: answer == "yes" for name, answer in answers.items()})
                versions.approve(connection, versions.version(connection, number), given)
                self._accounts.note(connection, account, "campaign signed off", f"version {number}")
        except Refused as fault:
            return self._version(request, number, _shown(fault))
        return RedirectResponse(f"/campaign/versions/{number}", 303)

    async def publish(self, request: Request) -> Response:
        """Have a ring of gateways run a version."""
        publisher, number = self._studio(), _number(request)
        name, chosen = fields(request, "ring", "gateway")
        try:
            with self._store.writing() as connection:
                gateways = ring(known_gateways(connection), name, chosen)
                publisher.publish(connection, number, gateways, self._settings.now_ms())
                detail = f"version {number}: {len(gateways)} gateways ({name})"
                self._accounts.note(connection, request.state.caller.account, "campaign published", detail)
        except Refused as fault:
            return self._version(request, number, _shown(fault))
        self._orders.notify()
        return RedirectResponse("/campaign", 303)

    async def stop(self, request: Request) -> Response:
        """Stop an offer everywhere."""
        return self._change_stop(request, "offer stopped")

    async def resume(self, request: Request) -> Response:
        """Allow a stopped offer again."""
        return self._change_stop(request, "offer allowed again")

    def _change_stop(self, request: Request, action: str) -> Response:
        publisher, account = self._studio(), request.state.caller.account
        (offer,) = fields(request, "offer")
        now_ms = self._settings.now_ms()
        try:
            with self._store.writing() as connection:
                gateways = known_gateways(connection)
                if action == "offer stopped":
                    publisher.stop(connection, offer, account, now_ms, gateways)
                else:
                    publisher.resume(connection, offer, now_ms, gateways)
                self._accounts.note(connection, account, action, offer)
        except Refused as fault:
            return self._overview(request, _shown(fault))
        self._orders.notify()
        return RedirectResponse("/campaign", 303)

    def _studio(self) -> Publisher:
        return required(self._publisher)

    def _check(self, connection: Connection, text: str) -> Checked:
        return check(text, self._studio().base.schema, known_zones(connection) or None, self._settings.now_ms())

    def _money(self, minor: float) -> str:
        return money(minor, self._studio().base.schema.currency)


def _number(request: Request) -> int:
    (text,) = fields(request, "number")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Refused(404, "There is no such version of the campaign.")
    return int(text)


def _shown(fault: Refused) -> str:
    """The line of a refusal for the page of the form. Raises Refused again if the form has no such page."""
    if fault.status not in REFUSED_KINDS:
        raise fault
    return fault.line
