"""Settings of a broker's connection, shared by the adapters that speak MQTT."""

from __future__ import annotations

import random
import ssl
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.core.bus import Publication

RECONNECT_S_MIN = 0.2
RECONNECT_S_MAX = 30.0
STABLE_S = 60.0  # a connection that lasted as long ends the doubling of pauses
CONNACK_S_MIN = 2.0  # wait at the first try: a 3.1.1 broker may wait for more bytes after an MQTT 5 CONNECT
CONNECT_S_MAX = 10.0
LAST_PUBACK_S_MAX = 5.0  # wait at the end for the broker to acknowledge the last publication
UNSUPPORTED_PROTOCOL = (0x01, 0x84)  # CONNACK: MQTT 3.1.1 table 3.1; MQTT 5 section 3.2.2.2


class MqttOptions(msgspec.Struct, frozen=True):
    """Address and credentials of the broker, topic filters to subscribe to, and the last will.

    The broker keeps messages of `subscriptions` while the gateway is away, but not those of `unqueued`: sightings would fill its queue, and
    facts behind them would be lost. `replaced` are filters that stand for several others; an older session may still hold them.
    Files are read anew for each connection, so that renewed certificates and passwords are used without a restart.
    With `websocket_path` MQTT runs over websockets (`mqtt_paho` only).
    """

    host: str
    port: int
    client_id: str
    subscriptions: tuple[str, ...]
    unqueued: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    will: Publication | None = None
    websocket_path: str | None = None
    keepalive_s: int = 30


def password(options: MqttOptions) -> str | None:
    """The password, without white space around it; None without a file. Raises OSError."""
    return None if options.password_file is None else options.password_file.read_text(encoding="utf-8-sig").strip()


def tls_context(options: MqttOptions) -> ssl.SSLContext | None:
    """The TLS context, or None without `ca_file`. Raises OSError for missing files and files without a certificate, with their names."""
    if options.ca_file is None:
        return None
    try:
        context = ssl.create_default_context(cafile=str(options.ca_file))
    except OSError as error:
        raise OSError(f"mqtt.ca_file {options.ca_file} holds no certificate ({error.strerror or error})") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if options.certificate_file is not None:
        pair = f"mqtt.certificate_file {options.certificate_file}, or mqtt.key_file {options.key_file}"
        try:
            context.load_cert_chain(str(options.certificate_file), str(options.key_file) if options.key_file else None)
        except OSError as error:
            raise OSError(f"{pair}, cannot be used ({error.strerror or error})") from None
    return context


def pause_s(failures: int) -> float:
    """The pause before the next try: doubled with each failure, spread over its upper half so that a fleet does not reconnect at once."""
    longest = min(RECONNECT_S_MAX, RECONNECT_S_MIN * 2 ** min(failures, 10))
    return float(longest * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
