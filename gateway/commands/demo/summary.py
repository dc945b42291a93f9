"""Adds up the reports of two gateways and the dashboard."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Totals:
    """Sums over the gateways; for figures that cannot be summed (percentiles) the largest one."""

    def __init__(self, reports: list[dict[str, Any]], dashboard: dict[str, Any]) -> None:
        """`reports` are `gateway.runtime.status.GatewayStatus` as JSON."""
        self.reports = reports
        self.dashboard = dashboard

    def number(self, name: str) -> int:
        """The sum of a counter."""
        return sum(report.get(name) or 0 for report in self.reports)

    def table(self, name: str) -> dict[str, int]:
        """The sum of a table of counters, largest first."""
        total: Counter[str] = Counter()
        for report in self.reports:
            total.update(report.get(name) or {})
        return {key: count for key, count in total.most_common() if count}

    def largest(self, name: str) -> float | None:
        """The largest of the gateways' figures."""
        found = [report[name] for report in self.reports if report.get(name) is not None]
        return max(found, default=None)

    @property
    def triggers(self) -> int:
        """Triggers decided so far."""
        return self.number("triggers")


def summarise(totals: Totals, *, setup_s: float, run_s: float, first_trigger_s: float | None, faults: int, broker: str) -> dict[str, Any]:
    """The one JSON summary of a demonstration."""
    return {
        "broker": broker.removeprefix("broker: "),
        "setup_s": round(setup_s, 2),
        "run_s": round(run_s, 2),
        "first_trigger_s": None if first_trigger_s is None else round(first_trigger_s, 2),
        "messages": totals.number("messages"),
        "messages_by_decoder": totals.table("messages_by_decoder"),
        "refused": totals.table("refused"),
        "discarded": totals.table("discarded"),
        "visits": totals.table("visits"),
        "facts": totals.number("facts"),
        "decisions": totals.table("decisions"),
        "triggers": totals.triggers,
        "triggers_sent": totals.number("triggers_sent"),
        "answers": totals.table("answers"),
        "learning": {report["gateway"]: report.get("learning") for report in totals.reports},
        "records_made": totals.number("records_made"),
        "records_taken": totals.number("records_taken"),
        "records_at_dashboard": totals.dashboard.get("records"),
        "trigger_ms_p50": totals.largest("trigger_ms_p50"),
        "trigger_ms_p99": totals.largest("trigger_ms_p99"),
        "memory_mib": totals.largest("memory_mib"),
        "unhandled_errors": faults,
    }
