"""The page of results, and each of its tables as CSV, JSON and Parquet at its address."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection, func, select

from dashboard.collector import known_span
from dashboard.estimates import Estimate
from dashboard.figures import known_offers
from dashboard.refusals import Refused
from dashboard.rendering import Rendering
from dashboard.results.campaign import Known, known
from dashboard.results.effect import ratio_is_off
from dashboard.results.money import Pace, pace_of
from dashboard.results.rows import BY, By, Hour, Result, Results, hours_of_day, results
from dashboard.results.silence import silence
from dashboard.schema import catalogue
from dashboard.settings import Settings
from dashboard.sources import View
from dashboard.store import Store
from dashboard.studio.publisher import Publisher
from dashboard.studio.words import money
from dashboard.tables import FORMATS, answer, table_of

LABELS = {"offer": "offer", "zone": "zone", "both": "offer and zone", "day": "day", "hour": "hour of the day"}


class ResultPages:
    """Handlers of the page; titles and money are those of the campaign, without one ids and no money."""

    def __init__(self, settings: Settings, store: Store, rendering: Rendering, publisher: Publisher | None) -> None:
        self._settings, self._store, self._rendering, self._publisher = settings, store, rendering, publisher

    def routes(self) -> APIRouter:
        """The routes of this room."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/results", self.page, response_class=HTMLResponse)
        for suffix in FORMATS:
            router.add_api_route(f"/results.{suffix}", partial(self.file, suffix))
        return router

    def page(self, request: Request, span: str = "all", by: str = "offer") -> Response:
        """The tables for people, which is the report when it is printed."""
        view, now_ms = View(span=known_span(span)), self._settings.now_ms()
        context: dict[str, Any] = {"span": span, "by": _label(by), "by_key": by, "labels": LABELS, "now_ms": now_ms}
        with self._store.reading() as connection:
            if by == "hour":
                context |= {"hours": hours_of_day(connection, view, self._settings.time_zone)}
            else:
                context |= self._context(connection, view, _by(by), now_ms)
        return HTMLResponse(self._rendering.page(request, "results.html", **context))

    def file(self, suffix: str, span: str = "all", by: str = "offer") -> Response:
        """A table with a column for each value and one for half of its 95 % interval."""
        view, label = View(span=known_span(span)), _label(by)
        kind: type[msgspec.Struct] = Hour if by == "hour" else Result
        with self._store.reading() as connection:
            values: Sequence[msgspec.Struct] = (
                hours_of_day(connection, view, self._settings.time_zone)
                if by == "hour"
                else self._results(connection, view, _by(by), self._known(connection)).rows
            )
        return answer(table_of(kind, values), f"results-by-{label.replace(' ', '-')}", suffix)

    def _context(self, connection: Connection, view: View, by: By, now_ms: int) -> dict[str, Any]:
        of = self._known(connection)
        found = self._results(connection, view, by, of)
        offers = found if by == "offer" else self._results(connection, view, "offer", of)
        clear = [row.name for row in offers.rows if row.sent.is_clear]
        return {
            "hours": None,
            "found": found,
            "offers": offers.rows,
            "holdout": of.holdout,
            "is_off": of.holdout is not None and ratio_is_off(found.held_out_share, of.holdout),
            "silence": silence(connection, of.newest, clear, of.published, now_ms),
            "paces": _paces(connection, of, offers, now_ms) if view.span == "all" else [],
            "amount": self._amount,
            "money": self._money,
            "unit": 1 if self._publisher is None else 100,
        }

    def _known(self, connection: Connection) -> Known:
        return known(connection, self._publisher, known_offers(connection), self._settings.now_ms())

    def _results(self, connection: Connection, view: View, by: By, of: Known) -> Results:
        return results(connection, view, by, of.terms, self._settings.time_zone)

    def _money(self, minor: float) -> str:
        return money(minor, "" if self._publisher is None else self._publisher.base.schema.currency)

    def _amount(self, found: Estimate | None) -> str:
        """An amount with half of its interval; a dash for None."""
        if found is None:
            return "\N{EN DASH}"
        return f"{found.value / 100:,.2f} \N{PLUS-MINUS SIGN}\N{NO-BREAK SPACE}{self._money(found.margin)}"


def _paces(connection: Connection, of: Known, offers: Results, now_ms: int) -> list[Pace]:
    """The pace of each offer with a budget on gateways that know it."""
    query = select(catalogue.c.name, func.count()).where(catalogue.c.kind == "offer").group_by(catalogue.c.name)
    gateways: dict[str, int] = dict(connection.execute(query).all())
    found = (pace_of(of.terms[row.name], row.accepted, gateways.get(row.name, 0), now_ms) for row in offers.rows if row.name in of.terms)
    return [pace for pace in found if pace is not None]


def _label(by: str) -> str:
    """The label of a table. Raises Refused (422) for an unknown one."""
    if by not in LABELS:
        raise Refused(422, f"unknown table; choose {', '.join(LABELS)}")
    return LABELS[by]


def _by(text: str) -> By:
    return next(by for by in BY if by == text)
