"""The audit log: an entry for each action at the desk, chained by a keyed hash.

Each entry's digest is an HMAC over the entry and the digest before it, under a key that is kept beside the database and not in it. For a
reader with the key, a changed, removed or inserted entry breaks the chain. Entries removed at the end show against a head that was noted
before (`wayside-dashboard audit verify --expect`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, insert, select

from dashboard.schema import audit

KEY_BYTES = 32
FIRST = bytes(32)


class Entry(NamedTuple):
    """One action: its number, from 1 on, the time, the account (empty: the program itself), and the object."""

    number: int
    at_ms: int
    account: str
    action: str
    detail: str
    digest: bytes


class Verdict(NamedTuple):
    """Result of a verification: the number of good entries, the digest of the last, and the fault in one line (empty: none)."""

    entries: int
    head: str
    fault: str


class AuditKeyError(RuntimeError):
    """The key of the audit log cannot be read or made; the text names the file."""


def read_key(path: Path) -> bytes:
    """The key of the log in the file at `path`, which is made if it does not exist. Raises AuditKeyError."""
    try:
        if not path.exists():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
        key = path.read_bytes()
    except OSError as fault:
        raise AuditKeyError(f"{path} cannot be used as the key of the audit log: {fault.strerror}") from fault
    if len(key) != KEY_BYTES:
        raise AuditKeyError(f"{path} is no key of the audit log: {len(key)} bytes, {KEY_BYTES} are expected")
    return key


def append(connection: Connection, key: bytes, at_ms: int, account: str, action: str, detail: str) -> None:
    """Add an entry in the transaction of the action itself."""
    query = select(audit.c.number, audit.c.digest).order_by(audit.c.number.desc()).limit(1)
    last = connection.execute(query).first()
    number, before = (1, FIRST) if last is None else (last.number + 1, last.digest)
    digest = _digest(key, before, number, at_ms, account, action, detail)
    row = {"number": number, "at_ms": at_ms, "account": account, "action": action, "detail": detail, "digest": digest}
    connection.execute(insert(audit), [row])


def entries(connection: Connection, newest: int | None = None) -> Iterator[Entry]:
    """The entries from the first to the last, or the `newest` from the last on."""
    query = select(audit).order_by(audit.c.number if newest is None else audit.c.number.desc()).limit(newest)
    for row in connection.execute(query):
        yield Entry(row.number, row.at_ms, row.account, row.action, row.detail, bytes(row.digest))


def verify(connection: Connection, key: bytes, expected: tuple[int, str] | None = None) -> Verdict:
    """Walk the whole chain; `expected` is the number and head of an entry that was noted before."""
    before, count = FIRST, 0
    for entry in entries(connection):
        if entry.number != count + 1:
            return Verdict(count, before.hex(), f"entry {count + 1} is missing")
        if not hmac.compare_digest(entry.digest, _digest(key, before, *entry[:5])):
            return Verdict(count, before.hex(), f"entry {entry.number} was changed, or is of another key")
        before, count = entry.digest, count + 1
        if expected is not None and expected[0] == count and expected[1] != before.hex():
            return Verdict(count, before.hex(), f"entry {count} is not the one that was noted")
    if expected is not None and count < expected[0]:
        return Verdict(count, before.hex(), f"entries after {count} were removed: {expected[0]} were noted")
    return Verdict(count, before.hex(), "")


def _digest(key: bytes, before: bytes, *fields: int | str) -> bytes:
    return hmac.new(key, before + msgspec.json.encode(fields), hashlib.sha256).digest()
