"""Builds the services of a gateway for people, devices and other systems: HTTP interface, page, desk and webhook."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from gateway.adapters.desk_people import Audit
from gateway.adapters.http_client import HttpTarget
from gateway.adapters.http_server import HttpServer, tls_context
from gateway.adapters.http_tokens import Tokens, read_tokens
from gateway.adapters.webhook import Webhook, read_secret
from gateway.core import limits, signed_codes
from gateway.core.nearest import nearest
from gateway.page import views
from gateway.page.actions import Actions
from gateway.page.owners import Owners
from gateway.page.records import Records
from gateway.page.routes import Page
from gateway.page.service import PageService
from gateway.runtime.api import Api, may_call
from gateway.runtime.app import App
from gateway.runtime.desk import Desk
from gateway.runtime.metrics import exporter
from gateway.runtime.report import ReportService, reporter

if TYPE_CHECKING:
    from pathlib import Path
    from ssl import SSLContext

    from gateway.config import Config
    from gateway.config_network import HttpPart, MetricsPart, PagePart
    from gateway.core.http import Handler

from gateway.build_store import SetupError, lasting_key, open_reader


def http_tokens(config: Config) -> Tokens | None:
    """The tokens of the HTTP interface, or None without one. Raises SetupError for a file or a client that cannot be used."""
    if config.http is None:
        return None
    path = config.http.tokens_file
    try:
        tokens = read_tokens(path)
    except (ValueError, OSError) as error:
        raise SetupError(f"http.tokens_file: {error}") from None
    callers = [name for name, part in config.devices.items() if may_call(part.kind)]
    for name in sorted(tokens.names):
        if name not in callers:
            text = f"{path}: {name!r} is no device of `devices` that may use the interface{nearest(name, callers)}"
            raise SetupError(f"http.tokens_file: {text}")
    return tokens


Server = Literal["http", "metrics", "page"]


def server_tls(name: Server, part: HttpPart | MetricsPart | PagePart) -> SSLContext | None:
    """TLS of a server, or None without a certificate. Raises SetupError."""
    if part.certificate_file is None or part.key_file is None:
        return None
    try:
        return tls_context(part.certificate_file, part.key_file)
    except OSError as error:
        raise SetupError(f"{name}.certificate_file: {part.certificate_file} and {part.key_file} cannot be used ({error})") from None


def check_certificates(config: Config) -> None:
    """Raises SetupError if the certificate of a server cannot be used."""
    if config.http is not None:
        server_tls("http", config.http)
    if config.metrics is not None:
        server_tls("metrics", config.metrics)
    if config.page is not None:
        server_tls("page", config.page)


def _server(name: Server, part: HttpPart | MetricsPart | PagePart, handler: Handler) -> HttpServer:
    """A server bound to its address. Raises SetupError."""
    try:
        return HttpServer(part.host, part.port, handler, server_tls(name, part))
    except OSError as error:
        raise SetupError(f"{name}.port: {part.host}:{part.port} cannot be used ({error}); choose another one") from None


def build_http(config: Config, app: App, tokens: Tokens) -> HttpServer:
    """The HTTP interface of a gateway, bound to its address. Raises SetupError."""
    assert config.http is not None
    api = Api(app, tokens, {name: device.kind for name, device in config.devices.items()}, app.clock.now_ms)
    return _server("http", config.http, api.handle)


def build_metrics(config: Config, app: App) -> HttpServer:
    """The server of the gateway's metrics, bound to its address. Raises SetupError."""
    assert config.metrics is not None
    return _server("metrics", config.metrics, exporter(app, app.clock.now_ms))


def build_page(config: Config, app: App) -> PageService:
    """The person's page of a gateway, bound to its address. Raises SetupError."""
    part = config.page
    assert part is not None
    secret, records = _page_secret(config), Records(lambda: open_reader(config))
    actions = Actions(app, records, Owners(secret, is_secure=part.certificate_file is not None), secret, app.clock.now_ms)
    page = Page(actions, page_terms(config, part))
    app.listeners.append(page.streams.committed)
    return PageService(page, _server("page", part, page.handle), records)


def desk_socket(config: Config) -> Path:
    """The Unix socket of the operator's desk, beside the database."""
    return config.store.path.with_name(f"{config.store.path.name}.desk")


def report_socket(config: Config) -> Path:
    """The Unix socket of the running gateway's report, beside the database."""
    return config.store.path.with_name(f"{config.store.path.name}.status")


def build_report(config: Config, app: App) -> ReportService:
    """The service of the running gateway's report."""
    return ReportService(lambda: HttpServer(report_socket(config), 0, reporter(app)))


def desk_audit(config: Config) -> Audit:
    """The audit log of the operator's desk, beside the database. Raises SetupError before the first start."""
    return Audit(config.store.path.with_name(f"{config.store.path.name}.audit"), lasting_key(config))


def build_desk(config: Config, app: App) -> HttpServer:
    """The server of the operator's desk. Raises SetupError."""
    path = desk_socket(config)
    try:
        return HttpServer(path, 0, Desk(app, app.clock.now_ms).handle)
    except OSError as error:
        raise SetupError(f"desk: {path} cannot be used ({error}); choose another folder in store.path") from None


def _page_secret(config: Config) -> bytes:
    """The secret of the page's cookies and codes. Raises SetupError before the first start."""
    return hashlib.blake2b(lasting_key(config), digest_size=32, person=b"wayside-page").digest()


def screen_address(config: Config, zone: str) -> str:
    """The address of the screen of a zone; it holds a key. Raises SetupError before the first start."""
    assert config.page is not None
    key = signed_codes.issue(_page_secret(config), "screen", zone, limits.CLOCK_CEILING_MS)
    return f"{config.page.public_address}/en/screen?key={key}"


def page_terms(config: Config, part: PagePart) -> views.Terms:
    """The statements of the page about the operator and the gateway's settings."""
    return views.Terms(
        operator=part.operator,
        incentives=part.incentive,
        contacts_max=config.privacy.contacts_max,
        epsilon_day=f"{config.privacy.epsilon_day:g}",
        decisions_days=config.retention.decisions_days,
        visits_days=config.retention.visits_days,
        timezone=ZoneInfo(config.timezone),
        address=part.address,
    )


def build_webhook(config: Config) -> Webhook | None:
    """The system that passes offers on, or None without one. Raises SetupError for an unusable address, secret or certificate file."""
    part = config.webhook
    if part is None:
        return None
    try:
        return Webhook(HttpTarget(part.url, ca_file=part.ca_file), read_secret(part.secret_file))
    except (ValueError, OSError) as error:
        raise SetupError(f"webhook: {error}") from None
