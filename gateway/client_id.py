"""The client id of a gateway at its broker, with a part that only this site knows."""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.config import Config

DIGITS = 16


def client_id(config: Config) -> str:
    """The client id: a client that does not know its last part cannot take the session over, and so cut the gateway off.

    The part follows from the secret of the site's tags, which lasts over restarts, renewed certificates and a restoration with keys.
    Without that secret there is none.
    """
    name, secret = f"wayside-{config.site}-{config.gateway}", b""
    if config.claims.secret_file is not None:
        with suppress(FileNotFoundError):
            secret = config.claims.secret_file.read_bytes().strip()
    return f"{name}-{hmac.new(secret, name.encode(), hashlib.sha256).hexdigest()[:DIGITS]}" if secret else name
