"""Passes offers on to another system (SMS, e-mail, messenger, contact centre) by HTTP POST, signed as Standard Webhooks 1.0 lays down.

The receiver checks `webhook-signature`, an HMAC-SHA256 of id, timestamp and body, and recognises repetitions by `webhook-id`, the id of the
decision. It maps the device to an address of the person; the gateway knows no telephone number and no e-mail address.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import stat
from typing import TYPE_CHECKING

from gateway.adapters.http_client import ClientError
from gateway.core.ports import OutboundReply

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.adapters.http_client import HttpTarget

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of secrets in Standard Webhooks
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64
BUSY = (408, 425, 429)


class Webhook:
    """See `gateway.core.ports.Outbound`."""

    def __init__(self, target: HttpTarget, secret: bytes) -> None:
        """Post to `target`, signed with `secret`."""
        self._target, self._secret = target, secret

    def post(self, id_: str, body: bytes, now_ms: int) -> OutboundReply:
        """Post one message; failures of network and receiver are part of the reply."""
        seconds = str(now_ms // 1000)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": id_,
            "webhook-timestamp": seconds,
            "webhook-signature": signature(self._secret, id_, seconds, body),
        }
        try:
            status = self._target.exchange("POST", headers, body).status
        except ClientError as error:
            return OutboundReply("unreachable", str(error))
        if 200 <= status < 300:
            return OutboundReply("taken")
        if status in BUSY or status >= 500:
            return OutboundReply("busy", f"{self._target.name} answers {status}")
        return OutboundReply("refused", f"{self._target.name} answers {status}; check webhook.url and webhook.secret_file")


def signature(secret: bytes, id_: str, seconds: str, body: bytes) -> str:
    """The header `webhook-signature` of Standard Webhooks 1.0."""
    digest = hmac.new(secret, f"{id_}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def read_secret(path: Path) -> bytes:
    """The secret of a file: `whsec_` and base64 of 24 to 64 bytes. Raises ValueError that names the way out, and OSError."""
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"{path} holds a secret and can be read by others than its owner: chmod 600 it")
    text = path.read_text(encoding="utf-8").strip()
    try:
        secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX:
        raise ValueError(f"{path} must hold {SECRET_PREFIX} and the base64 of 24 to 64 bytes: `echo whsec_$(openssl rand -base64 32)`")
    return secret
