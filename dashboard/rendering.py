"""The templates of the desk, with their filters, and the part that every page has: the account and the pages that its role may open."""

from __future__ import annotations

from datetime import tzinfo
from functools import partial
from typing import Any

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined

from dashboard import formats, limits
from dashboard.people.accounts import Caller
from dashboard.people.roles import may
from dashboard.sources import SPANS

SPAN_LABELS = {"day": "24 hours", "week": "7 days", "all": "All time"}
OUTCOME_LABELS = {
    "accepted": "Accepted, redeemed included",
    "redeemed": "Redeemed",
    "came": "Came to the shop",
    "dismissed": "Dismissed, no visit",
    "ignored": "No answer, no visit",
}
NAVIGATION = (
    ("/", "Overview"),
    ("/map", "Map"),
    ("/results", "Results"),
    ("/campaign", "Campaign"),
    ("/fleet", "Fleet"),
    ("/privacy", "Privacy"),
    ("/quarantine", "Quarantine"),
    ("/people", "People"),
    ("/audit", "Audit log"),
)


def caller_of(request: Request) -> Caller | None:
    """The account of a request, None without one."""
    found: Caller | None = getattr(request.state, "caller", None)
    return found


def fields(request: Request, *names: str) -> tuple[str, ...]:
    """Texts of the request's form, empty for a field that is not in it."""
    return tuple(str(request.state.form.get(name, "")) for name in names)


class Rendering:
    """Renders templates; without state of its own."""

    def __init__(self, time_zone: tzinfo, provider: str = "") -> None:
        """`provider` is the label of a provider that accounts may log in by, empty without one."""
        self._templates = _environment(time_zone)
        self._templates.globals["provider"] = provider

    def page(self, request: Request, template: str, **context: Any) -> str:
        """HTML of a whole page for the account of `request`."""
        caller = caller_of(request)
        links = [(path, label) for path, label in NAVIGATION if caller is not None and may(caller.role, "GET", path)]
        return self.part(template, me=caller, navigation=links, here=request.url.path, **context)

    def part(self, template: str, **context: Any) -> str:
        """HTML of a part of a page."""
        return self._templates.get_template(template).render(**context)


def _environment(time_zone: tzinfo) -> Environment:
    templates = Environment(
        loader=PackageLoader("dashboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters.update(
        number=formats.number,
        estimate=formats.estimate,
        share=formats.share,
        points=formats.points,
        age=formats.age,
        duration=formats.duration,
        moment=partial(formats.moment, time_zone=time_zone),
        date_and_time=partial(formats.date_and_time, time_zone=time_zone),
        day=formats.day,
        machine_time=partial(formats.machine_time, time_zone=time_zone),
    )
    templates.globals.update(
        width=formats.width,
        spans=[(span, SPAN_LABELS[span]) for span in SPANS],
        outcomes=list(OUTCOME_LABELS.items()),
        rows_max=limits.ROWS_MAX,
        late_windows=limits.LATE_WINDOWS,
        silent_windows=limits.SILENT_WINDOWS,
        password_chars_min=limits.PASSWORD_CHARS_MIN,
        time_zone=time_zone,
        may=may,
    )
    return templates
