"""Bearer tokens of the clients of the HTTP interface: a TOML file `device = "token"` that only its owner can read."""

from __future__ import annotations

import hashlib
import hmac
import stat
import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TOKEN_CHARS_MIN, TOKEN_CHARS_MAX = 32, 256
CLIENTS_MAX = 1_000


class Tokens:
    """Recognises clients by token. Only hashes are kept."""

    def __init__(self, tokens: dict[str, str]) -> None:
        """`tokens` by client."""
        self._hashes = {name: _hash(token) for name, token in tokens.items()}
        self.names = frozenset(tokens)

    def name(self, token: str) -> str | None:
        """The client of a token. It takes the same time for each token: every hash is compared, each in constant time."""
        found, stated = None, _hash(token)
        for name, known in self._hashes.items():
            if hmac.compare_digest(known, stated):
                found = name
        return found


def read_tokens(path: Path) -> Tokens:
    """The tokens of a file. Raises ValueError that names the cause and the way out, and OSError."""
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"{path} holds tokens and can be read by others than its owner: chmod 600 it")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{path}: not valid TOML: {error}; write lines such as kiosk-hall = "..."') from None
    for name, token in table.items():
        is_fine = isinstance(token, str) and token.isascii() and token.isprintable() and " " not in token
        if not is_fine or not TOKEN_CHARS_MIN <= len(token) <= TOKEN_CHARS_MAX:
            text = f"must be {TOKEN_CHARS_MIN} to {TOKEN_CHARS_MAX} printable characters; make one with `openssl rand -hex 32`"
            raise ValueError(f"{path}: the token of {name!r} {text}")
    if len(set(table.values())) < len(table):
        raise ValueError(f"{path}: two clients have the same token; make one for each with `openssl rand -hex 32`")
    if not table or len(table) > CLIENTS_MAX:
        raise ValueError(f'{path}: from 1 to {CLIENTS_MAX} tokens are possible; write lines such as kiosk-hall = "..."')
    return Tokens(table)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
