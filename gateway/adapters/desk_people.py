"""The staff of the operator's desk: a TOML file `name = { role, token }`, and the audit log of every action.

The log is a file of JSON lines that is only appended to, by one process at a time. Each line ends with a keyed hash of itself and of the
one before, so a changed line shows, and so does a removed one with lines after it. The loss of the newest lines shows only by a copy of the
last hash (`Audit.seal`). A person is named by a keyed hash of the random local id, so the log of an erasure has no name.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import stat
import tomllib
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from gateway.core.refusal import Refusal

if TYPE_CHECKING:
    from pathlib import Path

Role = Literal["viewer", "officer"]
Action = Literal["list", "show", "consent", "export", "erase", "audit", "control"]
ALLOWED: dict[Role, frozenset[Action]] = {
    "viewer": frozenset({"list", "show", "control"}),
    "officer": frozenset({"list", "show", "consent", "export", "erase", "audit", "control"}),
}
"""Role -> the actions that it may take."""
TOKEN_CHARS_MIN = 32
FIRST = "0" * 32


class DeskError(Refusal, ValueError):
    """The desk refuses; the text names the cause and the way out."""


class _Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Role
    token: str


def role_of(path: Path, name: str, token: str) -> Role:
    """The role of the member of the staff with this name and token. Raises DeskError, and OSError if the file cannot be read."""
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise DeskError(f"{path} holds tokens and can be read by others than its owner: chmod 600 it")
    try:
        known = msgspec.convert(tomllib.loads(path.read_text("utf-8")), dict[str, _Member])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise DeskError(f'{path}: {error}; write lines such as anna = {{ role = "viewer", token = "..." }}') from None
    for one, member in known.items():
        if len(member.token) < TOKEN_CHARS_MIN:
            raise DeskError(f"{path}: the token of {one!r} must have {TOKEN_CHARS_MIN} characters; make one with `openssl rand -hex 32`")
    found = known.get(name)
    stated = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
    expected = hashlib.sha256(found.token.encode("utf-8", "surrogatepass")).digest() if found is not None else b""
    if found is None or not hmac.compare_digest(stated, expected):
        raise DeskError(f"{name!r} is not known at this desk, or the token is another one: see desk.people_file")
    return found.role


def check_allowed(role: Role, action: Action) -> None:
    """Raises DeskError if a role may not take an action."""
    if action not in ALLOWED[role]:
        able = ", ".join(name for name, actions in ALLOWED.items() if action in actions)
        raise DeskError(f"the role {role} may not {action}; ask one of the role {able}")


class Entry(NamedTuple):
    """One action at the desk; `subject` is a keyed hash, empty for an action about no person."""

    at_ms: int
    who: str
    role: str
    action: str
    subject: str
    outcome: str


class Audit:
    """The log at `path`."""

    def __init__(self, path: Path, key: bytes) -> None:
        """`key` is that of the database."""
        self._path, self._key = path, key

    def subject(self, subject: str) -> str:
        """The name of a person in the log."""
        return hashlib.blake2b(subject.encode(), key=self._key, digest_size=8, person=b"wayside-audit").hexdigest() if subject else ""

    def append(self, entry: Entry) -> None:
        """Append a line; it is on the disk when this returns. Raises DeskError if the log was changed, and OSError."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # two commands at once would both follow the same line
            _, before = self._read()
            file.write(msgspec.json.encode([*entry, self._hash(before, entry)]) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def entries(self) -> list[Entry]:
        """All entries, the oldest first. Raises DeskError if a line was changed, or one before the last was removed; and OSError."""
        return self._read()[0]

    def seal(self) -> str:
        """The hash of the last line. Raises as `entries`."""
        return self._read()[1]

    def _read(self) -> tuple[list[Entry], str]:
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        entries: list[Entry] = []
        before = FIRST
        for number, line in enumerate(lines, 1):
            try:
                *fields, stated = msgspec.json.decode(line, type=list[str | int])
                entry: Entry | None = Entry(*fields)  # type: ignore[arg-type]  # of the types that the hash confirms
            except (msgspec.DecodeError, TypeError, ValueError):
                entry, stated = None, ""
            if entry is None or stated != self._hash(before, entry):
                raise DeskError(
                    f"{self._path}:{number}: the audit log was changed here: look who could write it, and move the file away; then the "
                    "desk goes on with a new one"
                )
            entries.append(entry)
            before = str(stated)
        return entries, before

    def _hash(self, before: str, entry: Entry) -> str:
        stated = msgspec.json.encode([before, *entry])
        return hashlib.blake2b(stated, key=self._key, digest_size=16, person=b"wayside-audit").hexdigest()
