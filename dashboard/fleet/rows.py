"""Rows of the fleet page: contact, flow, versions and certificate of each gateway, read for one page only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from dashboard.gateways import Gateway
from dashboard.schema import bundles, desired, reported
from gateway.core.condition import Condition
from gateway.core.records import MILLION


class FleetRow(msgspec.Struct, frozen=True):
    """One gateway. `flow` is that of `flow_of`, empty if the gateway states nothing; `wanted` is the ordered version.

    `waiting` are records on the gateway, `silent_days` those of its most silent source. `buffer_days`, `wear_percent` and `epsilon_day`
    are those of `gateway.core.condition.Condition`, the last one not in millionths.
    """

    gateway: str
    group: str
    state: str
    last_seen_ms: int | None
    age_ms: int | None
    flow: str
    silent_days: int | None
    waiting: int | None
    release: str
    runs: str
    wanted: str
    fault: str
    certificate_ends_ms: int | None
    buffer_days: int | None
    wear_percent: int | None
    epsilon_day: float | None


def fleet_rows(connection: Connection, found: Sequence[Gateway]) -> list[FleetRow]:
    """The rows of some gateways, in the same order."""
    names = [one.gateway for one in found]
    reports = {row.gateway: row for row in connection.execute(select(reported).where(reported.c.gateway.in_(names)))}
    query = select(desired.c.gateway, bundles.c.campaign).join(bundles, bundles.c.sha256 == desired.c.sha256)
    wanted = {row.gateway: f"version {row.campaign}" for row in connection.execute(query.where(desired.c.gateway.in_(names)))}
    campaigns = {row.sha256: row.campaign for row in connection.execute(select(bundles.c.sha256, bundles.c.campaign))}
    return [_row(one, reports.get(one.gateway), wanted.get(one.gateway, ""), campaigns) for one in found]


def _row(one: Gateway, report: Any, wanted: str, campaigns: dict[str, int]) -> FleetRow:
    stated = msgspec.json.decode(report.condition, type=Condition) if report is not None and report.condition else None
    runs = "" if report is None else f"version {campaigns[report.sha256]}" if report.sha256 in campaigns else report.bundle
    return FleetRow(
        gateway=one.gateway,
        group=one.group,
        state=one.state,
        last_seen_ms=one.last_seen_ms,
        age_ms=one.age_ms,
        flow="" if stated is None else flow_of(stated),
        silent_days=None if stated is None else max((source.silent_days or 0 for source in stated.sources), default=None),
        waiting=None if one.health is None else one.health.backlog,
        release="" if stated is None else stated.release,
        runs=runs,
        wanted=wanted,
        fault="" if report is None else report.fault,
        certificate_ends_ms=None if stated is None else stated.certificate_ends_ms,
        buffer_days=None if stated is None else stated.buffer_days,
        wear_percent=None if stated is None else stated.wear_percent,
        epsilon_day=None if stated is None or stated.epsilon_millionths is None else stated.epsilon_millionths / MILLION,
    )


def flow_of(stated: Condition) -> str:
    """Whether messages flow: by the connection to the broker and the silent days of the sources."""
    if not stated.connected:
        return "not connected"
    return "source silent" if any(one.silent_days for one in stated.sources) else "flowing"
