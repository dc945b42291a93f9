"""The page of a dry run: its progress, and then its result, in the simulated city and in the past of the gateways."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from dashboard.collector import known_span
from dashboard.figures import known_offers
from dashboard.gateways import known_gateways
from dashboard.refusals import Refused
from dashboard.rendering import Rendering
from dashboard.results.campaign import known
from dashboard.results.rows import results
from dashboard.settings import Settings
from dashboard.sources import View
from dashboard.store import Store
from dashboard.studio import versions
from dashboard.studio.check import Checked, check
from dashboard.studio.dry_runs import CITIES, DryRun, DryRuns, dry_run
from dashboard.studio.history import History, history
from dashboard.studio.outlook import outlook
from dashboard.studio.publisher import Publisher, known_zones, required
from dashboard.studio.words import differences, money


class TryPages:
    """Handler of the page."""

    def __init__(self, settings: Settings, store: Store, rendering: Rendering, publisher: Publisher | None, dry_runs: DryRuns) -> None:
        self._settings, self._store, self._rendering = settings, store, rendering
        self._publisher, self._dry_runs = publisher, dry_runs

    def routes(self) -> APIRouter:
        """The route of this room."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/campaign/try/{run}", self.page, response_class=HTMLResponse)
        return router

    def page(self, request: Request, run: str, gateway: str = "", span: str = "all") -> Response:
        """A dry run; it is asked for again every two seconds while it is under way. Raises Refused (404) for an unknown run or gateway."""
        schema = required(self._publisher).base.schema
        now_ms = self._settings.now_ms()
        with self._store.reading() as connection:
            of = dry_run(connection, run, now_ms)
            checked = self._check(connection, of.text)
            before = self._check(connection, versions.version(connection, of.base).text if of.base else of.text)
            gateways = known_gateways(connection)
            if gateway and gateway not in gateways:
                raise Refused(404, "This gateway is unknown. Choose one on the page.")
            context: dict[str, Any] = {
                "run": of,
                "checked": checked,
                "changes": self._changes(before, checked),
                "missing": self._dry_runs.missing,
                "cities": CITIES,
                "under_way": not of.result and not of.fault and not self._dry_runs.missing,
                "past": self._past(connection, before, checked, View(span=known_span(span), gateway=gateway or None)),
                "gateways": gateways,
                "gateway": gateway,
                "span": span,
            }
        context["outlook"] = self._outlook(of, checked)
        return HTMLResponse(self._rendering.page(request, "dry-run.html", money=lambda minor: money(minor, schema.currency), **context))

    def _outlook(self, of: DryRun, checked: Checked) -> Any:
        simulated, currency = of.simulated, required(self._publisher).base.schema.currency
        if simulated is None or checked.campaign is None:
            return None
        return outlook(simulated, checked.campaign, lambda minor: money(minor, currency))

    def _past(self, connection: Connection, before: Checked, checked: Checked, view: View) -> History | None:
        if before.campaign is None or checked.campaign is None:
            return None
        of, currency = known(connection, self._publisher, known_offers(connection), self._settings.now_ms()), self._currency
        rows = results(connection, view, "both", of.terms, self._settings.time_zone).rows
        return history(rows, before.campaign, checked.campaign, lambda minor: money(minor, currency)) if rows else None

    def _changes(self, before: Checked, after: Checked) -> list[str]:
        if before.campaign is None or after.campaign is None:
            return []
        return differences(before.campaign, after.campaign, self._currency, after.time_zone)

    def _check(self, connection: Connection, text: str) -> Checked:
        return check(text, required(self._publisher).base.schema, known_zones(connection) or None, self._settings.now_ms())

    @property
    def _currency(self) -> str:
        return required(self._publisher).base.schema.currency
