"""Faults of certificate and key files as text: the errors of the TLS library name neither the file nor the way out."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

CERTIFICATE, KEY = b"-----BEGIN CERTIFICATE-----", b"PRIVATE KEY-----"


def first_end_ms(files: Iterable[Path]) -> int | None:
    """The first end of the certificates in some files; None without any. Raises OSError or ValueError for a file that cannot be read."""
    from cryptography import x509  # noqa: PLC0415 - only a gateway with certificates needs it

    ends = [one.not_valid_after_utc for file in files for one in x509.load_pem_x509_certificates(file.read_bytes())]
    return int(min(ends).timestamp() * 1000) if ends else None


def authority_fault(path: Path) -> str:
    """The fault of a certificate authority's file, with the way out; empty if it can be used."""
    fault = _unlike(path, CERTIFICATE, "certificate")
    if fault:
        return fault
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        return f"{path} holds a damaged certificate ({error.reason}): copy it again"
    return ""


def pair_fault(certificate: Path, key: Path) -> str:
    """The fault of a certificate with its private key, with the way out; empty if both can be used."""
    fault = _unlike(certificate, CERTIFICATE, "certificate") or _unlike(key, KEY, "private key")
    if fault:
        return fault
    if b"ENCRYPTED" in key.read_bytes():
        return f"{key} is protected by a passphrase, which a service cannot enter: store it without one (openssl pkey -in FILE -out FILE)"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"{key} is not the key of {certificate}: name the two that were made together"
        return f"{certificate} or {key} is damaged ({error.reason}): copy them again"
    return ""


def _unlike(path: Path, mark: bytes, kind: str) -> str:
    """The fault of a file that cannot be read, or that has no such part in PEM."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    if mark in content:
        return ""
    tool = "openssl x509" if mark == CERTIFICATE else "openssl pkey"
    convert = f"; it may be DER: {tool} -inform der -in FILE -out FILE.pem" if content[:1] == b"\x30" else ""
    return f"{path} holds no {kind} in PEM (a line with {mark.decode()}){convert}"
