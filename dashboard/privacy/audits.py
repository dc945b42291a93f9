"""Results of `wayside privacy audit --json`, kept by hand: the audit runs on the gateway, where the ledger is."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta
from sqlalchemy import Connection, delete, insert, select

from dashboard.gateways import known_gateways
from dashboard.refusals import Refused
from dashboard.schema_desk import audits

Text = Annotated[str, Meta(max_length=200)]


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One check of an audit, with the value asked and the value found."""

    check: Text
    asked: Text
    found: Text
    passed: bool


class Audit(NamedTuple):
    """The newest result of a gateway."""

    gateway: str
    at_ms: int
    account: str
    checks: list[Check]

    @property
    def is_passed(self) -> bool:
        """Whether every check passed."""
        return all(one.passed for one in self.checks)


Checks = Annotated[list[Check], Meta(min_length=1, max_length=40)]


def keep_audit(connection: Connection, gateway: str, content: str, account: str, now_ms: int) -> None:
    """Keep a result in place of the one before. Raises Refused (422) for another text, and for an unknown gateway."""
    if gateway not in known_gateways(connection):
        raise Refused(422, "Choose the gateway that was audited.")
    try:
        checks = msgspec.json.decode(content, type=Checks)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as fault:
        raise Refused(422, "This is no result of an audit: paste the line that `wayside privacy audit --json` prints.") from fault
    connection.execute(delete(audits).where(audits.c.gateway == gateway))
    row = {"gateway": gateway, "at_ms": now_ms, "account": account, "content": msgspec.json.encode(checks).decode()}
    connection.execute(insert(audits), [row])


def newest_audits(connection: Connection, gateways: list[str]) -> dict[str, Audit]:
    """The newest result of each gateway that has one."""
    rows = connection.execute(select(audits).where(audits.c.gateway.in_(gateways)))
    return {row.gateway: Audit(row.gateway, row.at_ms, row.account, msgspec.json.decode(row.content, type=list[Check])) for row in rows}
