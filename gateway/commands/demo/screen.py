"""The live summary of the demonstration: a table that fits a terminal, updated four times a second."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.commands.demo.course import Course
    from gateway.commands.demo.summary import Totals

ROWS_SHOWN = 6


class Screen:
    """A live summary on `console`; without a console nothing is shown."""

    def __init__(self, console: Console | None, address: str) -> None:
        """Prepare; a `with` block draws."""
        self._address = address
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console is not None else None

    def __enter__(self) -> Self:
        """Begin drawing."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop drawing."""
        if self._live is not None:
            self._live.stop()

    def update(self, totals: Totals, worth: Sequence[str], course: Course, passed_s: float, seconds: float | None, note: str = "") -> None:
        """Draw the present figures; `worth` has a text for each gateway, `note` is a line about the campaign."""
        if self._live is None:
            return
        of = f" of {seconds:.0f}" if seconds is not None else ""
        head = Text.assemble((f"{passed_s:.0f}{of} s", "bold"), f"   {self._address}")
        self._live.update(Group(head, _figures(totals), _learned(totals, worth, course), _reasons(totals), Text(note)))

    @staticmethod
    def closing(summary: dict[str, Any]) -> str:
        """The final summary as text."""
        learning = "".join(
            f"{gateway} learned from {one['answers']} answers, calibration error {one['calibration_error']:.3f}.\n"
            for gateway, one in summary["learning"].items()
            if one is not None and one["calibration_error"] is not None
        )
        answers = ", ".join(f"{count} {kind}" for kind, count in summary["answers"].items()) or "none"
        return (
            f"{summary['messages']} messages, {summary['visits'].get('entered', 0)} visits, "
            f"{summary['triggers']} triggers, answers: {answers}.\n"
            f"{summary['records_made']} records made, {summary['records_taken']} taken by the dashboard, which holds "
            f"{summary['records_at_dashboard']}.\n"
            f"From message to trigger: p50 {_ms(summary['trigger_ms_p50'])}, p99 {_ms(summary['trigger_ms_p99'])}. "
            f"{learning}{_first(summary)}Unhandled errors: {summary['unhandled_errors']}."
        )


def _first(summary: dict[str, Any]) -> str:
    """The time until the first calibration error and until the first margin with an interval, or that there was none yet."""
    texts = (
        f"{name} after {summary[key]:.0f} s" if summary[key] is not None else f"no {name} yet"
        for name, key in (("calibration error", "calibration_error_s"), ("interval of the margin", "margin_interval_s"))
    )
    return f"{', '.join(texts).capitalize()}. "


def _ms(time_ms: float | None) -> str:
    return "-" if time_ms is None else f"{time_ms} ms"


def _figures(totals: Totals) -> Table:
    table = Table("", *(str(report.get("gateway", "")) for report in totals.reports), "both", box=None)
    for label, name in (
        ("messages", "messages"),
        ("facts", "facts"),
        ("triggers", "triggers"),
        ("records made", "records_made"),
        ("records taken", "records_taken"),
    ):
        table.add_row(label, *(str(report.get(name, 0)) for report in totals.reports), str(totals.number(name)))
    table.add_row(
        "trigger p50 / p99", *(f"{_ms(one.get('trigger_ms_p50'))} / {_ms(one.get('trigger_ms_p99'))}" for one in totals.reports), ""
    )
    table.add_row("records at the dashboard", *("" for _ in totals.reports), str(totals.dashboard.get("records", 0)))
    return table


def _learned(totals: Totals, worth: Sequence[str], course: Course) -> Table:
    """A row for each gateway: the policy that decides, answers learned from, its errors so far, and the worth of the offers."""
    table = Table(
        "learning", "policy", "answers", "calibration error", "log-loss / plain", "margin added by an offer, cents (95 %)", box=None
    )
    for report, text in zip(totals.reports, worth, strict=True):
        learning = report.get("learning") or {}
        error = learning.get("calibration_error")
        losses = f"{learning.get('log_loss', 0.0):.3f} / {learning.get('log_loss_plain', 0.0):.3f}"
        figures = (str(learning.get("answers", 0)), course.trail(str(report.get("gateway", "")), error), losses)
        table.add_row(str(report.get("gateway", "")), str(learning.get("policy", "")), *figures, text)
    return table


def _reasons(totals: Totals) -> Table:
    """Messages by decoder, decisions by reason and answers, side by side."""
    columns = [list(totals.table(name).items())[:ROWS_SHOWN] for name in ("messages_by_decoder", "decisions", "answers")]
    table = Table("messages", "", "decisions", "", "answers", "", box=None)
    for index in range(max(map(len, columns), default=0)):
        cells: list[str] = []
        for column in columns:
            name, count = column[index] if index < len(column) else ("", "")
            cells += [name, str(count)]
        table.add_row(*cells)
    return table
