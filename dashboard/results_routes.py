"""The page of results, and its table as CSV and JSON at its address."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from dashboard.collector import known_span
from dashboard.estimates import Estimate, Share
from dashboard.figures import View
from dashboard.refusals import Refused
from dashboard.rendering import Rendering
from dashboard.results import By, Result, Terms, results
from dashboard.settings import Settings
from dashboard.store import Store
from dashboard.studio import versions
from dashboard.studio.check import check
from dashboard.studio.publisher import Publisher
from dashboard.studio.words import money


class ResultPages:
    """Handlers of the page; titles and margins are those of the newest version of the campaign, without one ids."""

    def __init__(self, settings: Settings, store: Store, rendering: Rendering, publisher: Publisher | None) -> None:
        self._settings, self._store, self._rendering, self._publisher = settings, store, rendering, publisher

    def routes(self) -> APIRouter:
        """The routes of this room."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/results", self.page, response_class=HTMLResponse)
        router.add_api_route("/results.csv", self.as_csv)
        router.add_api_route("/results.json", self.as_json)
        return router

    def page(self, request: Request, span: str = "all", by: str = "offer") -> Response:
        """The table for people."""
        rows = self._rows(span, by)
        context: dict[str, Any] = {"rows": rows, "span": known_span(span), "by": _by(by), "money": self._money}
        return HTMLResponse(self._rendering.page(request, "results.html", **context))

    def as_csv(self, span: str = "all", by: str = "offer") -> Response:
        """The table as CSV, a column for each value and one for half of its 95 % interval."""
        rows = [_flat(row) for row in self._rows(span, by)]
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]) if rows else ["name"], lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
        headers = {"Content-Disposition": f'attachment; filename="results-by-{_by(by)}.csv"'}
        return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)

    def as_json(self, span: str = "all", by: str = "offer") -> Response:
        """The table as JSON, with the fields of the CSV."""
        return Response(msgspec.json.encode([_flat(row) for row in self._rows(span, by)]), media_type="application/json")

    def _rows(self, span: str, by: str) -> list[Result]:
        view = View(span=known_span(span))
        with self._store.reading() as connection:
            newest = versions.newest(connection)
            return results(connection, view, _by(by), self._terms(newest.text if newest else ""))

    def _terms(self, text: str) -> Mapping[str, Terms]:
        if self._publisher is None:
            return {}
        campaign = check(text, self._publisher.base.schema, None, self._settings.now_ms()).campaign
        return {offer.id: Terms(offer.title, offer.value_minor) for offer in (campaign.offers if campaign else ())}

    def _money(self, found: Estimate) -> str:
        assert self._publisher is not None  # without it no row has money
        currency = self._publisher.base.schema.currency
        return f"{money(found.value, currency)} \N{PLUS-MINUS SIGN}\N{NO-BREAK SPACE}{money(found.margin, currency)}"


def _by(text: str) -> By:
    if text == "offer":
        return "offer"
    if text == "zone":
        return "zone"
    raise Refused(422, "unknown table; choose offer or zone")


def _flat(row: Result) -> dict[str, object]:
    """The fields of a row in one level; cells of a spreadsheet that begin a formula are texts."""
    flat: dict[str, object] = {}
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if isinstance(value, Estimate | Share):
            flat |= {name: round(value.value, 4), f"{name}_plus_minus": round(value.margin, 4)}
        elif name in ("came", "held_out_came", "lift", "extra_visits", "margin"):
            flat |= {name: None, f"{name}_plus_minus": None}
        else:
            flat[name] = f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
    return flat
