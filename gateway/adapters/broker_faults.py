"""Faults of a connection to a broker, from the errors of the socket, of TLS and of the first bytes: a code, the cause and the way out."""

from __future__ import annotations

import socket
import ssl
from typing import Literal, NamedTuple

Code = Literal[
    "broker_name",
    "broker_refused",
    "broker_silent",
    "broker_unreachable",
    "broker_lacks_tls",
    "broker_wants_tls",
    "broker_tls_name",
    "broker_tls_time",
    "broker_tls_authority",
    "broker_tls_client",
    "broker_closes",
]

# X509_V_ERR_* of OpenSSL (x509_vfy.h)
_NOT_YET, _EXPIRED, _NAMES = 9, 10, frozenset({62, 63, 64})


_OF_SOCKETS: tuple[tuple[type[Exception], Code, str], ...] = (
    (socket.gaierror, "broker_name", "its name is not known; correct"),
    (ConnectionRefusedError, "broker_refused", "start it, or correct"),
    (TimeoutError, "broker_silent", "check the network and its firewalls, and"),
)


class Names(NamedTuple):
    """Settings to correct, by the user's names."""

    address: str = "mqtt.host and mqtt.port"
    ca: str = "mqtt.ca_file"
    certificate: str = "mqtt.certificate_file and mqtt.key_file"
    with_tls: str = "set mqtt.ca_file"
    without_tls: str = "remove mqtt.ca_file, or correct mqtt.port (usually 8883 with TLS)"


SETTINGS = Names()
OPTIONS = Names(
    "--broker", "--ca-file", "a certificate of the client, which only a gateway's config can name", "write mqtts://", "write mqtt://"
)


class ConnectionFault(NamedTuple):
    """The code names the cause for programs; the text is the cause with the way out."""

    code: Code
    text: str


def connection_fault(place: str, error: Exception, *, is_tls: bool, names: Names = SETTINGS) -> ConnectionFault:
    """The fault behind an error of connecting to the broker at `place` (host:port)."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _unverified(place, error, names)
    if isinstance(error, ssl.SSLError) and "ALERT" in str(error.reason):
        return _refused_certificate(place, error, names)
    if is_tls and isinstance(error, ssl.SSLError | ConnectionResetError | BrokenPipeError):
        return ConnectionFault("broker_lacks_tls", f"broker {place} speaks no TLS on this port ({error}): {names.without_tls}")
    code, way_out = next(
        ((code, text) for kind, code, text in _OF_SOCKETS if isinstance(error, kind)), ("broker_unreachable", "start it, or correct")
    )
    return ConnectionFault(code, f"broker {place} does not answer ({error}): {way_out} {names.address}")


def wants_tls(place: str, names: Names = SETTINGS) -> ConnectionFault:
    """The fault of a plain connection to a port with TLS."""
    return ConnectionFault("broker_wants_tls", f"broker {place} speaks TLS on this port, and the connection is plain: {names.with_tls}")


def speaks_tls(host: str, port: int, wait_s: float) -> bool:
    """Whether a port answers a TLS handshake, with any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), wait_s) as plain, context.wrap_socket(plain):
            return True
    except (OSError, ValueError):
        return False


def _unverified(place: str, error: ssl.SSLCertVerificationError, names: Names) -> ConnectionFault:
    text = error.verify_message.rstrip(".")
    if error.verify_code in _NAMES:
        return ConnectionFault(
            "broker_tls_name", f"the certificate of broker {place} is for another name ({text}): write one of its names in {names.address}"
        )
    if error.verify_code in (_NOT_YET, _EXPIRED):
        way = "check this machine's clock" if error.verify_code == _NOT_YET else "renew it on the broker, and check this machine's clock"
        return ConnectionFault("broker_tls_time", f"the certificate of broker {place} does not hold now ({text}): {way}")
    return ConnectionFault(
        "broker_tls_authority",
        f"the certificate of broker {place} is not from the authority in {names.ca} ({text}): name the one that issued it",
    )


def _refused_certificate(place: str, error: ssl.SSLError, names: Names) -> ConnectionFault:
    alert = str(error.reason).rpartition("ALERT_")[2].replace("_", " ").lower()
    way = f"set {names.certificate}" if "required" in alert or "handshake failure" in alert else f"renew {names.certificate}"
    return ConnectionFault("broker_tls_client", f"broker {place} refuses this client's certificate ({alert}): {way}")
