"""Metrics of the gateway: their text is what Prometheus reads, and no number depends on a person."""

from __future__ import annotations

import re
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.adapters.http_server import HttpServer
from gateway.build import build
from gateway.core.types import Message
from gateway.runtime.app import App
from gateway.runtime.metrics import HEARD_MS, is_flowing, metrics, text
from gateway.runtime.report import make_report
from tests.commands.terminal import wayside
from tests.kit.gateways import message, settings_of, walk_in, write_config

LINE = re.compile(r'wayside_[a-z_]+(?:\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"\})? -?[0-9.e+]+')


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[App]:
    made = build(settings_of(write_config(tmp_path)))
    yield made
    made.store.close()


def _numbers(gateway: App) -> dict[str, str]:
    lines = text(metrics(make_report(gateway), gateway.clock.now_ms())).splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def _deliver(gateway: App, *messages: Message) -> None:
    for one in messages:
        gateway.mailbox.deliver([replace(one, received_at_ms=gateway.clock.now_ms())])
        gateway.turn(0.0)


def test_every_line_can_be_read(gateway: App) -> None:
    _deliver(gateway, *walk_in(), Message("wayside/v1/street/up/x/status", b"{", 0))
    whole = text(metrics(make_report(gateway), gateway.clock.now_ms()))
    assert whole.endswith("\n")
    for line in whole.splitlines():
        assert line.startswith(("# HELP wayside_", "# TYPE wayside_")) or LINE.fullmatch(line), line
    numbers = _numbers(gateway)
    assert not [name for name in numbers if name.startswith("wayside_source_heard")]  # all sources place people
    assert sum(int(value) for name, value in numbers.items() if name.startswith("wayside_refused_total")) == 1


def test_people_change_no_number(gateway: App) -> None:
    _deliver(gateway, Message("no/source/has/this", b"", 0))  # the gateway is online with its first message
    before = _numbers(gateway)
    _deliver(gateway, message("anna", "status", 1), *walk_in("ben"), *walk_in("carla"))
    assert gateway.status().triggers > 0
    after = _numbers(gateway)
    changing = {"wayside_memory_bytes", "wayside_written_bytes_total", "wayside_records_waiting"}
    assert {name for name in after if after[name] != before.get(name)} <= changing


def test_quotes_in_a_label_are_escaped(gateway: App) -> None:
    report = make_report(gateway)
    odd = replace(report, sources=(replace(report.sources[0], topic='a"b\\c\nd', is_of_sensors=True),))
    assert 'wayside_source_heard{topic="a\\"b\\\\c\\nd"} 0\n' in text(metrics(odd, 0))


def test_flowing_needs_every_part(gateway: App) -> None:
    now_ms = gateway.clock.now_ms()
    fine = replace(make_report(gateway), connected=True)
    sensors = replace(fine.sources[0], newest_ms=now_ms, is_of_sensors=True)
    people = replace(fine, sources=(), status=replace(fine.status, state="online", model="street 1"))
    assert is_flowing(people, now_ms)  # without sensors nothing is judged by the messages of people
    fine = replace(fine, sources=(sensors,))
    fine = replace(fine, status=replace(fine.status, state="online", model="street 1"))
    assert is_flowing(fine, now_ms)
    assert not is_flowing(fine, now_ms + HEARD_MS + 60_000)
    assert not is_flowing(replace(fine, connected=False), now_ms)
    for broken in ({"state": "holding"}, {"model": ""}):
        assert not is_flowing(replace(fine, status=replace(fine.status, **broken)), now_ms)


def test_the_server_answers_and_the_address_is_checked(tmp_path: Path) -> None:
    config = write_config(tmp_path, more="\n[metrics]\nport = 0\n")
    app = build(settings_of(config, "mqtt.first_connect_s=0"))
    server = next(one for one in app.services if isinstance(one, HttpServer))
    thread = threading.Thread(target=app.run)
    thread.start()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=60) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4"
        assert b"\nwayside_connected 0\n" in answer.read()
    app.stop()
    thread.join()
    config.write_text(config.read_text().replace("port = 0\n", 'host = "192.0.2.1"\n'))
    assert "metrics: host '192.0.2.1' can be reached from the network" in wayside("check", "--config", config).refusal(2)
