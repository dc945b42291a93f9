"""Gathers the evidence of a diagnosis: config, clock, disk, certificates, bundle, the running gateway, and the topics at the broker."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections import Counter
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from gateway.adapters.broker_faults import SETTINGS
from gateway.adapters.clock import SystemClock
from gateway.build import FAULTS, build_bus, build_cloud, build_feeds, build_router, build_site, checked_bundle, open_config_bundle
from gateway.build_services import build_webhook, check_certificates, http_tokens
from gateway.build_store import SetupError, open_reader, store_key
from gateway.commands.broker import BrokerError, Login, connect
from gateway.commands.discover.guess import shape_of
from gateway.commands.doctor.finding import Certificate, Evidence, Heard
from gateway.commands.doctor.gateway_user import as_owner_of
from gateway.commands.running import AbsentError, fetch
from gateway.config import ConfigError, load_config
from gateway.core.bundle import Bundle, BundleError
from gateway.decoders.contract import Kind
from gateway.decoders.topics import topic_matches, without_share
from gateway.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gateway.config import Config
    from gateway.core.types import Message
    from gateway.runtime.report import Report

TICK_S = 0.25
TOPICS_MAX = 500
_OF_GATEWAYS = re.compile("wayside/v1/[^/]+/(gateway|down|reply|screen)/")
PLACING: frozenset[Kind] = frozenset({"sighting", "position"})


def gather(path: Path, overrides: Sequence[str], seconds: float) -> Evidence:
    """The evidence for the config at `path`; it listens at the broker for `seconds` if the report does not explain itself."""
    now_ms = SystemClock().now_ms()
    try:
        settings = load_config(path, overrides)
    except ConfigError as error:
        return Evidence(now_ms, config_error=str(error))
    report, absence, is_running = _report(settings)
    folder = next(one for one in (settings.store.path.parent, *settings.store.path.parents) if one.exists())
    with as_owner_of(folder):
        bundle, setup = _setup(settings, now_ms, is_checked=report is not None)
    usage = shutil.disk_usage(folder)
    certificates = list(_certificates(settings))
    is_valid = all(one.starts_ms <= now_ms < one.ends_ms for one in certificates)
    heard = _listen(settings, seconds) if is_valid and _needs_listener(settings, report) else None
    return Evidence(
        now_ms,
        config=settings,
        free_bytes=usage.free,
        disk_bytes=usage.total,
        store_bytes=_store_bytes(settings),
        certificates=certificates,
        setup=setup,
        bundle=bundle,
        report=report,
        absence=absence,
        is_running=is_running,
        heard=heard,
    )


def _report(settings: Config) -> tuple[Report | None, str, bool]:
    try:
        return fetch(settings), "", True
    except AbsentError as error:
        return None, str(error), error.is_running


def _setup(settings: Config, now_ms: int, *, is_checked: bool) -> tuple[Bundle | None, list[tuple[str, str]]]:
    """The bundle, and (code, text) of each step of building the gateway that fails. A running gateway has checked its model."""
    opened: list[Bundle] = []

    def bundle() -> None:
        opened.append((open_config_bundle if is_checked else checked_bundle)(settings, now_ms))

    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("bundle", bundle),
        ("site", lambda: opened and build_site(settings, opened[0])),
        ("sources", lambda: build_router(settings)),
        ("broker_files", lambda: build_bus(settings, SystemClock())),
        ("cloud_files", lambda: build_cloud(settings)),
        ("http_files", lambda: http_tokens(settings)),
        ("http_files", lambda: check_certificates(settings)),
        ("webhook", lambda: build_webhook(settings)),
        ("feeds", lambda: build_feeds(settings, Mailbox(1), SystemClock())),
        ("key", lambda: _check_key(settings, is_running=is_checked)),
        ("store", lambda: _check_writable(settings)),
    )
    found = []
    for code, step in steps:
        try:
            step()
        except FAULTS as error:
            expired = isinstance(error, BundleError) and error.reason == "expired"
            found.append(("bundle_expired" if expired else code, str(error)))
    return (opened[0] if opened else None), found


def _check_key(settings: Config, *, is_running: bool) -> None:
    """Raises SetupError or StoreError if the database does not open with its key. A running gateway has opened it."""
    if not settings.store.path.exists():
        return
    if is_running:
        store_key(settings, may_create=False)
    else:
        open_reader(settings).close()


def _check_writable(settings: Config) -> None:
    """Raises SetupError if the database or its folder cannot be written by this user."""
    path = settings.store.path
    for one in (path, path.parent):
        if one.exists() and not os.access(one, os.W_OK):
            raise SetupError(f"store.path: {one} cannot be written by this user: check its owner")


def _store_bytes(settings: Config) -> int:
    """Bytes of the database and its log."""
    path, total = settings.store.path, 0
    for one in (path, path.with_name(f"{path.name}-wal")):
        with suppress(OSError):
            total += one.stat().st_size
    return total


def _certificates(settings: Config) -> Iterator[Certificate]:
    """All certificate files of the config."""
    parts = (
        ("mqtt", settings.mqtt),
        ("cloud", settings.cloud),
        ("http", settings.http),
        ("metrics", settings.metrics),
        ("page", settings.page),
        ("webhook", settings.webhook),
    )
    for name, part in parts:
        for field in ("ca_file", "certificate_file"):
            path = getattr(part, field, None)
            if path is not None:
                yield _certificate(f"{name}.{field}", path)


def _certificate(setting: str, path: Path) -> Certificate:
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        return Certificate(setting, str(path), 0, 0, f"it cannot be read ({error.strerror})")
    except ValueError:
        return Certificate(setting, str(path), 0, 0, "it holds no certificate in PEM")
    starts = max(one.not_valid_before_utc for one in found).astimezone(UTC).timestamp()
    ends = min(one.not_valid_after_utc for one in found).astimezone(UTC).timestamp()
    return Certificate(setting, str(path), int(starts * 1000), int(ends * 1000))


def _needs_listener(settings: Config, report: Report | None) -> bool:
    """Whether the broker itself has to be asked: no gateway runs, it is not connected, or a source that places people is silent."""
    if report is None or not report.connected:
        return True
    placing = {one.topic for one in build_router(settings).sources if one.kinds & PLACING}
    return report.present == 0 and any(not one.messages for one in report.sources if one.topic in placing)


def _listen(settings: Config, seconds: float) -> Heard | None:
    """Listen at the broker with the gateway's login; None for websockets, which this listener does not speak."""
    part = settings.mqtt
    if part.websocket_path is not None:
        return None
    topics: Counter[str] = Counter()

    filters = [without_share(one.topic) for one in settings.sources]

    def receive(message: Message) -> None:
        if _OF_GATEWAYS.match(message.topic):
            return
        if any(topic_matches(one, message.topic) for one in filters):
            return
        shape = shape_of(message.topic)
        if shape in topics or len(topics) < TOPICS_MAX:
            topics[shape] += 1

    async def listening() -> None:
        async with connect(address, receive, login, SETTINGS) as connection:
            await connection.subscribe("#")
            await connection.wait(max(TICK_S, seconds))

    host = f"[{part.host}]" if ":" in part.host else part.host
    address = f"{'mqtts' if part.ca_file else 'mqtt'}://{host}:{part.port}"
    try:
        password = part.password_file.read_text(encoding="utf-8").strip() if part.password_file else None
        login = Login(part.username, password, part.ca_file, part.certificate_file, part.key_file)
        asyncio.run(listening())
    except BrokerError as error:
        return Heard(seconds, topics, error.code, str(error))
    except OSError as error:
        return Heard(seconds, topics, "broker_files", f"mqtt.password_file: {part.password_file} cannot be read ({error.strerror})")
    return Heard(seconds, topics)
