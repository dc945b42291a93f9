"""Accounts, sessions and one-time links in the database.

Tokens of sessions and links have 256 random bits and are stored as SHA-256 only; passwords are hashed with argon2id. A login makes a new
session and never goes on with an old one, and a new password ends all sessions of its account.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Callable
from functools import cached_property
from typing import Literal, NamedTuple, cast

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, delete, func, insert, select, update

from dashboard import limits
from dashboard.people import audit as log
from dashboard.people.roles import Role
from dashboard.schema import accounts, links, sessions
from dashboard.store import Store

NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
SEEN_EVERY_MS = 60_000  # how exactly the last use of a session is stored


class AccountError(ValueError):
    """The account cannot be made or changed; the text is for the form."""


class Caller(NamedTuple):
    """The account behind a request, and the token that its forms carry against forged requests."""

    account: str
    role: Role
    kind: Literal["browser", "program"]
    csrf: str
    digest: bytes


class Link(NamedTuple):
    """A one-time link: it sets the password of `account`, or of a new account of any name if that is empty."""

    account: str
    role: Role


class Account(NamedTuple):
    """One row of the list of accounts."""

    name: str
    role: Role
    made_ms: int
    disabled: bool


def digest(token: str) -> bytes:
    """SHA-256 of a token."""
    return hashlib.sha256(token.encode()).digest()


class Accounts:
    """All accounts of one desk."""

    def __init__(self, store: Store, audit_key: bytes, now_ms: Callable[[], int], hasher: PasswordHasher | None = None) -> None:
        self._store = store
        self._key = audit_key
        self._now_ms = now_ms
        self._hasher = hasher or PasswordHasher()
        self._hashing = threading.Semaphore(limits.HASHERS_MAX)

    @cached_property
    def _nobody(self) -> str:
        """A hash of no password, so that an unknown account takes as long as a wrong password."""
        return self._hasher.hash(secrets.token_hex())

    def note(self, connection: Connection, account: str, action: str, detail: str = "") -> None:
        """Add an entry to the audit log."""
        log.append(connection, self._key, self._now_ms(), account, action, detail)

    def verify_log(self) -> log.Verdict:
        """Walk the audit log."""
        with self._store.reading() as connection:
            return log.verify(connection, self._key)

    def is_empty(self) -> bool:
        """Whether there is no account yet."""
        with self._store.reading() as connection:
            return connection.execute(select(func.count()).select_from(accounts)).scalar_one() == 0

    def invite(self, name: str, role: Role, by: str) -> str:
        """The token of a new one-time link; earlier links of the same account end. Raises AccountError for a wrong name."""
        if name and not NAME.fullmatch(name):
            raise AccountError("a name has small letters, digits, '.', '-', '_' or '@', at most 64, and begins with a letter or digit")
        token = secrets.token_urlsafe(32)
        with self._store.writing() as connection:
            connection.execute(delete(links).where((links.c.account == name) | (links.c.ends_ms < self._now_ms())))
            row = {"digest": digest(token), "account": name, "role": role, "ends_ms": self._now_ms() + limits.LINK_MS_MAX}
            connection.execute(insert(links), [row])
            self.note(connection, by, "link made", f"{name or 'first account'}: {role}")
        return token

    def link(self, token: str) -> Link | None:
        """The open link of a token."""
        with self._store.reading() as connection:
            return self._link(connection, token)

    def _link(self, connection: Connection, token: str) -> Link | None:
        row = connection.execute(select(links).where(links.c.digest == digest(token), links.c.ends_ms > self._now_ms())).first()
        return None if row is None else Link(row.account, cast("Role", row.role))

    def welcome(self, token: str, name: str, password: str) -> str:
        """Use a link: make its account, or give it a new password. Returns a session token. Raises AccountError."""
        if not NAME.fullmatch(name):
            raise AccountError("a name has small letters, digits, '.', '-', '_' or '@', at most 64, and begins with a letter or digit")
        hashed = self._hashed(password, name)
        with self._store.writing() as connection:
            link = self._link(connection, token)
            if link is None:
                raise AccountError("this link was used already, or is older than a day; ask for a new one")
            if link.account not in ("", name):
                raise AccountError("this link is for another name")
            known = connection.execute(select(accounts.c.name).where(accounts.c.name == name)).first()
            if known is not None and not link.account:
                raise AccountError("this name is taken; choose another one")
            connection.execute(delete(links).where(links.c.digest == digest(token)))
            self._set(connection, name, link.role, hashed, is_new=known is None)
            self.note(connection, name, "password set by link")
            return self._begin(connection, name, "browser")

    def make(self, name: str, role: Role, password: str, by: str = "") -> None:
        """Make an account with a password. Raises AccountError."""
        self.welcome(self.invite(name, role, by), name, password)

    def login(self, name: str, password: str) -> str | None:
        """The token of a new session, or None for an unknown account or a wrong password."""
        if not self._is_right(name, password):
            return None
        with self._store.writing() as connection:
            self.note(connection, name, "login")
            return self._begin(connection, name, "browser")

    def enter(self, name: str) -> str:
        """The token of a new session of an account without its password: for a demonstration on this machine only."""
        with self._store.writing() as connection:
            self.note(connection, name, "login by the link of the demonstration")
            return self._begin(connection, name, "browser")

    def enter_by_provider(self, subject: str, name: str, role: Role) -> str:
        """The token of a new session of the account of a provider's subject, which is made at the first login and has the role of the last.

        Raises AccountError if the account is closed, or its name is that of another one.
        """
        with self._store.writing() as connection:
            row = connection.execute(select(accounts).where(accounts.c.subject == subject)).first()
            if row is None:
                name = re.sub(r"[^a-z0-9._@-]+", "-", name.lower()).strip("-")[:64]
                if not NAME.fullmatch(name):
                    raise AccountError("the provider states no name that an account can have")
                if connection.execute(select(accounts.c.name).where(accounts.c.name == name)).first() is not None:
                    raise AccountError(f"there is another account with the name {name}; an admin can close it and free the name")
                self._set(connection, name, role, "", is_new=True, subject=subject)
            elif row.disabled:
                raise AccountError("this account is closed")
            else:
                name = row.name
                connection.execute(update(accounts).where(accounts.c.name == name).values(role=role))
            self.note(connection, name, "login by the provider", role)
            return self._begin(connection, name, "browser")

    def change_password(self, name: str, old: str, new: str) -> str:
        """Set a new password and end all sessions of the account; a new session token. Raises AccountError."""
        if not self._is_right(name, old):
            raise AccountError("the present password is wrong")
        hashed = self._hashed(new, name)
        with self._store.writing() as connection:
            connection.execute(update(accounts).where(accounts.c.name == name).values(password=hashed))
            connection.execute(delete(sessions).where(sessions.c.account == name, sessions.c.kind == "browser"))
            self.note(connection, name, "password changed")
            return self._begin(connection, name, "browser")

    def program_token(self, name: str) -> str:
        """A token with which a program reads as the account; it replaces the earlier one."""
        with self._store.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.account == name, sessions.c.kind == "program"))
            self.note(connection, name, "program token made")
            return self._begin(connection, name, "program")

    def caller(self, token: str, kind: Literal["browser", "program"]) -> Caller | None:
        """The account of a session that has not ended."""
        now_ms = self._now_ms()
        where = (sessions.c.digest == digest(token)) & (sessions.c.kind == kind) & (sessions.c.ends_ms > now_ms)
        query = select(sessions, accounts.c.role, accounts.c.disabled).join(accounts, accounts.c.name == sessions.c.account)
        with self._store.reading() as connection:
            row = connection.execute(query.where(where)).first()
        if row is None or row.disabled or (kind == "browser" and row.seen_ms < now_ms - limits.SESSION_IDLE_MS_MAX):
            return None
        if row.seen_ms < now_ms - SEEN_EVERY_MS:
            with self._store.writing() as connection:
                connection.execute(update(sessions).where(sessions.c.digest == row.digest).values(seen_ms=now_ms))
        csrf = hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()
        return Caller(row.account, cast("Role", row.role), kind, csrf, bytes(row.digest))

    def logout(self, caller: Caller) -> None:
        """End the session."""
        with self._store.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.digest == caller.digest))
            self.note(connection, caller.account, "logout")

    def all(self) -> list[Account]:
        """All accounts by name."""
        with self._store.reading() as connection:
            query = select(accounts.c.name, accounts.c.role, accounts.c.made_ms, accounts.c.disabled).order_by(accounts.c.name)
            return [Account(*row) for row in connection.execute(query)]

    def change(self, name: str, role: Role, *, disabled: bool, by: str) -> None:
        """Set role and state of an account and end its sessions. Raises AccountError if no admin would be left."""
        with self._store.writing() as connection:
            others = (accounts.c.role == "admin") & accounts.c.disabled.is_(False) & (accounts.c.name != name)
            left = connection.execute(select(func.count()).select_from(accounts).where(others)).scalar_one()
            if not left and (role != "admin" or disabled):
                raise AccountError("this is the last admin: make another one first")
            if not connection.execute(update(accounts).where(accounts.c.name == name).values(role=role, disabled=disabled)).rowcount:
                raise AccountError("there is no account of this name")
            connection.execute(delete(sessions).where(sessions.c.account == name))
            self.note(connection, by, "account changed", f"{name}: {role}{', closed' if disabled else ''}")

    def _set(self, connection: Connection, name: str, role: Role, hashed: str, *, is_new: bool, subject: str | None = None) -> None:
        if is_new:
            row = {"name": name, "role": role, "password": hashed, "made_ms": self._now_ms(), "disabled": False, "subject": subject}
            connection.execute(insert(accounts), [row])
        else:
            connection.execute(update(accounts).where(accounts.c.name == name).values(password=hashed))
            connection.execute(delete(sessions).where(sessions.c.account == name))

    def _begin(self, connection: Connection, name: str, kind: str) -> str:
        token, now_ms = secrets.token_urlsafe(32), self._now_ms()
        ends_ms = now_ms + (limits.SESSION_MS_MAX if kind == "browser" else limits.PROGRAM_MS_MAX)
        connection.execute(delete(sessions).where(sessions.c.ends_ms < now_ms))
        row = {"digest": digest(token), "account": name, "kind": kind, "seen_ms": now_ms, "ends_ms": ends_ms}
        connection.execute(insert(sessions), [row])
        return token

    def _hashed(self, password: str, name: str) -> str:
        if not limits.PASSWORD_CHARS_MIN <= len(password) <= limits.PASSWORD_CHARS_MAX:
            raise AccountError(f"a password has {limits.PASSWORD_CHARS_MIN} to {limits.PASSWORD_CHARS_MAX} characters")
        if password.lower() == name or len(set(password)) < 4:
            raise AccountError("this password is too easy to guess; choose one with more different characters")
        with self._hashing:
            return self._hasher.hash(password)

    def _is_right(self, name: str, password: str) -> bool:
        with self._store.reading() as connection:
            row = connection.execute(select(accounts).where(accounts.c.name == name)).first()
        is_right = self._matches(self._nobody if row is None else row.password, password)
        return row is not None and not row.disabled and is_right

    def _matches(self, hashed: str, password: str) -> bool:
        try:
            with self._hashing:
                return self._hasher.verify(hashed, password[: limits.PASSWORD_CHARS_MAX + 1])
        except (VerificationError, InvalidHashError):
            return False
