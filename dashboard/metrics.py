"""Figures of the desk itself in the text format of Prometheus: nothing here depends on people."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dashboard import quarantine
from dashboard.gateways import Gateway, find_gateways
from dashboard.live import Notifier
from dashboard.rollups import stored
from dashboard.settings import Settings
from dashboard.store import Store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics(settings: Settings, store: Store, notifier: Notifier) -> str:
    """All metrics as one text. Ids of gateways have no character that a label would have to escape."""
    with store.reading() as connection:
        held = quarantine.count(connection)
        numbers = stored(connection)
        gateways, _ = find_gateways(connection, settings.now_ms())
    lines = [
        *_metric("wayside_records_stored", "gauge", "Records stored, quarantined ones included.", [("", numbers["records"])]),
        *_metric("wayside_batches_stored", "gauge", "Batches stored.", [("", numbers["batches"])]),
        *_metric("wayside_records_quarantined", "gauge", "Records that no figure counts.", [("", held)]),
        *_metric("wayside_streams_open", "gauge", "Pages that are updated.", [("", notifier.readers.total())]),
        *_metric("wayside_gateway_age_seconds", "gauge", "Time since the last batch.", _by_gateway(gateways, _age_s)),
        *_metric("wayside_gateway_backlog_records", "gauge", "Records that wait on the gateway.", _by_gateway(gateways, _backlog)),
        *_metric("wayside_gateway_silent", "gauge", "1 without a batch for six windows.", _by_gateway(gateways, _silent)),
    ]
    return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, text: str, values: list[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in values:
        yield f"{name}{labels} {value:g}" if abs(value) < 1e6 else f"{name}{labels} {value:.0f}"


def _by_gateway(gateways: list[Gateway], value: Callable[[Gateway], float | None]) -> list[tuple[str, float]]:
    found = ((one.gateway, value(one)) for one in gateways)
    return [(f'{{gateway="{gateway}"}}', number) for gateway, number in found if number is not None]


def _age_s(gateway: Gateway) -> float | None:
    return None if gateway.age_ms is None else gateway.age_ms / 1000


def _backlog(gateway: Gateway) -> float | None:
    return None if gateway.health is None else float(gateway.health.backlog)


def _silent(gateway: Gateway) -> float:
    return float(gateway.state == "silent")
