"""The editor of the campaign: a draft is checked, tried out, or saved as the next version; nothing that was typed is lost."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from dashboard.map.drawing import drawing
from dashboard.people.accounts import Accounts
from dashboard.refusals import Refused
from dashboard.rendering import Rendering, fields
from dashboard.settings import Settings
from dashboard.store import Store
from dashboard.studio import fields as form_fields
from dashboard.studio import versions
from dashboard.studio.check import Checked, check
from dashboard.studio.dry_runs import DryRuns, draft, dry_run
from dashboard.studio.preview import previews
from dashboard.studio.publisher import Publisher, known_zones, required
from dashboard.studio.rules import rule_fault, vocabulary
from dashboard.studio.versions import Version
from dashboard.studio.words import differences
from gateway.core.creatives import PLACEMENTS


class Typed(NamedTuple):
    """A sent form: its text, the version it was made from, its note, and the check of the text."""

    text: str
    base: int
    note: str
    newest: Version | None
    checked: Checked


class EditorPages:
    """Handlers of the editor."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        accounts: Accounts,
        rendering: Rendering,
        publisher: Publisher | None,
        dry_runs: DryRuns,
    ) -> None:
        self._settings, self._store, self._accounts, self._rendering = settings, store, accounts, rendering
        self._publisher, self._dry_runs = publisher, dry_runs
        self._drawings = [drawing(plan) for plan in settings.plans]

    def routes(self) -> APIRouter:
        """The routes of this room."""
        router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        router.add_api_route("/campaign/edit", self.edit)
        router.add_api_route("/campaign/save", self.save, methods=["POST"])
        router.add_api_route("/campaign/try", self.try_out, methods=["POST"])
        router.add_api_route("/campaign/rule", self.rule, response_class=JSONResponse)
        return router

    def edit(self, request: Request, draft: str = "") -> Response:
        """The editor, with the newest version or the text of a dry run. Raises Refused (404) for an unknown dry run."""
        required(self._publisher)
        with self._store.reading() as connection:
            if draft:
                kept = dry_run(connection, draft, self._settings.now_ms())
                return self._edit(request, connection, kept.text, kept.base, note=kept.note)
            newest = versions.newest(connection)
            return self._edit(request, connection, newest.text if newest else "", newest.number if newest else 0)

    async def save(self, request: Request) -> Response:
        """Check the sent draft and save it as the next version; with a fault, or another newer version, it is shown again."""
        with self._store.writing() as connection:
            typed = self._typed(connection, request)
            if (shown := self._refused(request, connection, typed)) is not None:
                return shown
            account = request.state.caller.account
            number = versions.save(connection, account, typed.note, typed.text, self._settings.now_ms())
            self._accounts.note(connection, account, "campaign saved", f"version {number}")
        return RedirectResponse(f"/campaign/versions/{number}", 303)

    async def try_out(self, request: Request) -> Response:
        """Check the sent draft and begin a dry run of it; with a fault, or while another one is under way, it is shown again."""
        publisher = required(self._publisher)
        typed = await run_in_threadpool(self._read, request)
        if isinstance(typed, Response):
            return typed
        made = draft(request.state.caller.account, typed.base, typed.note, typed.text, self._settings.now_ms())
        newest = self._check_text(typed.newest.text if typed.newest else "").campaign
        campaigns = [one for one in (newest, typed.checked.campaign) if one is not None]
        try:
            await self._dry_runs.start(made, publisher.base, campaigns)
        except Refused as fault:
            with self._store.reading() as connection:
                return self._edit(request, connection, typed.text, typed.base, note=typed.note, faults=(fault.line,))
        return RedirectResponse(f"/campaign/try/{made.id}", 303)

    def rule(self, text: str = "") -> Response:
        """The fault of a rule and its position from 0, for the check while it is typed; an empty fault for a right or empty one."""
        found = rule_fault(text, required(self._publisher).base.schema) if text.strip() else None
        return JSONResponse({"fault": found.text if found else "", "position": found.position if found else 0})

    def _read(self, request: Request) -> Typed | Response:
        with self._store.reading() as connection:
            typed = self._typed(connection, request)
            if typed.checked.campaign is None:
                return self._edit(request, connection, typed.text, typed.base, note=typed.note, faults=typed.checked.faults)
            return typed

    def _edit(
        self,
        request: Request,
        connection: Connection,
        text: str,
        base: int,
        *,
        note: str = "",
        faults: tuple[str, ...] = (),
        clash: str = "",
    ) -> Response:
        shown = form_fields.read(text)
        zones = sorted({*known_zones(connection), *(zone for offer in (shown.offers if shown else ()) for zone in offer.zones)})
        context = {"text": text, "base": base, "note": note, "faults": faults, "clash": clash, "shown": shown, "zones": zones}
        schema = required(self._publisher).base.schema
        context |= {"drawings": self._drawings, "attributes": vocabulary(schema), "placements": list(PLACEMENTS), "previews": previews}
        saved = versions.version(connection, base).text if base else ""
        context |= {"unsaved": text if shown and text != saved else ""}  # the fields are those of this text, and not of the version
        context |= {"errors": form_fields.field_faults(faults, shown), "currency": schema.currency}
        page = self._rendering.page(request, "edit.html", policy=form_fields.POLICY, offer_fields=form_fields.OFFER, **context)
        return HTMLResponse(page, 422 if faults or clash else 200)

    def _refused(self, request: Request, connection: Connection, typed: Typed) -> Response | None:
        """The editor with the reason why a draft cannot be saved; None if it can."""
        newest, number = typed.newest, typed.newest.number if typed.newest else 0
        if typed.checked.campaign is None:
            return self._edit(request, connection, typed.text, typed.base, note=typed.note, faults=typed.checked.faults)
        if newest is not None and typed.base != number:
            clash = self._clash(connection, newest, typed.base)
            return self._edit(request, connection, typed.text, number, note=typed.note, clash=clash)
        if newest is not None and newest.text == typed.text:
            return self._edit(request, connection, typed.text, typed.base, note=typed.note, faults=("Nothing was changed.",))
        return None

    def _typed(self, connection: Connection, request: Request) -> Typed:
        """The text that was typed, or the newest text with the changed fields of the form."""
        form = request.state.form
        base_text, note, text = fields(request, "base", "note", "text")
        base = int(base_text) if base_text.isascii() and base_text.isdecimal() and len(base_text) < 10 else 0
        newest = versions.newest(connection)
        if "text" in form:
            text = text.replace("\r\n", "\n")
            return Typed(text, base, note, newest, self._check(connection, text))
        if newest is None:
            return Typed("", base, note, None, Checked(None, ("there is no version to change; write the campaign as text",)))
        before = versions.version(connection, base).text if base else newest.text
        many: dict[str, list[str]] = {}
        for name, value in form.multi_items():
            many.setdefault(name, []).append(str(value))
        shown = str(form.get("shown", "")).replace("\r\n", "\n")
        is_newest = bool(shown) and newest.number == base
        try:
            text = form_fields.written(shown, shown, many) if is_newest else form_fields.written(newest.text, before, many, shown)
        except ValueError as fault:
            return Typed(newest.text, base, note, newest, Checked(None, (str(fault),)))
        return Typed(text, base, note, newest, self._check(connection, text))

    def _clash(self, connection: Connection, newest: Version, base: int) -> str:
        before = self._check(connection, versions.version(connection, base).text).campaign if base else None
        after = self._check(connection, newest.text)
        currency = required(self._publisher).base.schema.currency
        lines = differences(before, after.campaign, currency, after.time_zone) if before and after.campaign else []
        changes = "; ".join(lines[:6]) or "its text"
        return (
            f"{newest.author or 'The program'} saved version {newest.number} meanwhile ({changes}). "
            "Yours is below and not saved yet: save it again to put it on top of that version."
        )

    def _check(self, connection: Connection, text: str) -> Checked:
        return check(text, required(self._publisher).base.schema, known_zones(connection) or None, self._settings.now_ms())

    def _check_text(self, text: str) -> Checked:
        return check(text, required(self._publisher).base.schema, None, self._settings.now_ms())
