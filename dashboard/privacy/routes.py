"""The privacy page of the fleet and of one gateway; the printed page is the sheet."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import Connection, select

from dashboard import limits
from dashboard.gateways import find_gateways, known_gateways
from dashboard.people.accounts import Accounts
from dashboard.privacy.audits import keep_audit, newest_audits
from dashboard.privacy.example import WITHOUT_EXAMPLE, example
from dashboard.privacy.fields import kinds
from dashboard.privacy.ledger import TABLES, days
from dashboard.privacy.noises import stated
from dashboard.refusals import Refused
from dashboard.rendering import Rendering, fields
from dashboard.schema import catalogue, hours
from dashboard.settings import Settings
from dashboard.store import Store
from gateway.core.records import COUNT_MAX

ZONES_EXAMPLE = ("plaza", "cafe", "station", "market")


class PrivacyPages:
    """Handlers of the pages."""

    def __init__(self, settings: Settings, store: Store, accounts: Accounts, rendering: Rendering) -> None:
        self._settings, self._store, self._accounts, self._rendering = settings, store, accounts, rendering

    def routes(self) -> APIRouter:
        """The routes of this room."""
        router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        router.add_api_route("/privacy", self.page)
        router.add_api_route("/privacy/audit", self.audit, methods=["POST"])
        return router

    def page(self, request: Request, gateway: str = "") -> Response:
        """The page of the fleet, or of a gateway. Raises Refused (404) for an unknown one."""
        return self._page(request, gateway)

    def _page(self, request: Request, gateway: str, fault: str = "", typed: str = "") -> Response:
        with self._store.reading() as connection:
            known = known_gateways(connection)
            if gateway and gateway not in known:
                raise Refused(404, "This gateway is unknown. Choose one below.")
            context = self._gateway(connection, gateway) if gateway else self._fleet(connection)
        context |= {"gateway": gateway, "gateways": known[: limits.ROWS_MAX], "kinds": kinds(), "tables": [name for name, _ in TABLES]}
        context |= {"count_max": COUNT_MAX, "fault": fault, "typed": typed}
        return HTMLResponse(self._rendering.page(request, "privacy.html", **context), 422 if fault else 200)

    async def audit(self, request: Request) -> Response:
        """Keep the result of an audit; a text that is none is shown again."""
        gateway, content = fields(request, "gateway", "content")
        account = request.state.caller.account
        try:
            with self._store.writing() as connection:
                keep_audit(connection, gateway, content, account, self._settings.now_ms())
                self._accounts.note(connection, account, "audit kept", gateway)
        except Refused as fault:
            return self._page(request, "", fault.line, content)
        return RedirectResponse(f"/privacy?gateway={gateway}", 303)

    def _fleet(self, connection: Connection) -> dict[str, Any]:
        found, total = find_gateways(connection, self._settings.now_ms(), most=limits.ROWS_MAX)
        names = [one.gateway for one in found]
        ledger = [(name, next(iter(days(connection, name, stated(connection, name))), None)) for name in names]
        more = {"total": total, "terms": [], "ledger": ledger, "newest": []}
        return more | {"audits": newest_audits(connection, names), "example": example(ZONES_EXAMPLE, WITHOUT_EXAMPLE, "fleet")}

    def _gateway(self, connection: Connection, gateway: str) -> dict[str, Any]:
        terms = stated(connection, gateway)
        of_hours = next((one for one in terms if one.kind == "hours"), WITHOUT_EXAMPLE)
        zones = select(catalogue.c.name).where(catalogue.c.gateway == gateway, catalogue.c.kind == "zone").order_by(catalogue.c.name)
        names = list(connection.execute(zones.limit(len(ZONES_EXAMPLE))).scalars()) or list(ZONES_EXAMPLE)
        found = {"total": 1, "terms": terms, "ledger": days(connection, gateway, terms), "newest": _newest(connection, gateway)}
        return found | {"audits": newest_audits(connection, [gateway]), "example": example(names, of_hours, gateway)}


def _newest(connection: Connection, gateway: str) -> list[tuple[str, int]]:
    """Zones and counts of the newest window, as these arrived: neither cut nor rounded."""
    start = select(hours.c.window_start_ms).where(hours.c.gateway == gateway).order_by(hours.c.window_start_ms.desc()).limit(1)
    rows = select(hours.c.zone, hours.c.count).where(hours.c.gateway == gateway, hours.c.window_start_ms == start.scalar_subquery())
    return [(zone, count) for zone, count in connection.execute(rows.order_by(hours.c.zone).limit(limits.ROWS_MAX))]
