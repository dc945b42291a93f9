"""Versions of the campaign, and their sign-off by other people than the author."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from dashboard.refusals import Refused
from dashboard.schema import sign_offs, versions
from gateway.core.offers import SignOff

QUESTIONS = (
    ("may_offend", "Can the campaign offend a group of people?"),
    ("may_harm", "Can it do physical, mental or financial harm?"),
    ("uses_misfortune", "Does it use a death, an injury or a disaster?"),
)


class Version(NamedTuple):
    """One saved text."""

    number: int
    at_ms: int
    author: str
    note: str
    text: str


class Approval(NamedTuple):
    """One sign-off: the answers to the three questions."""

    account: str
    at_ms: int
    may_offend: bool
    may_harm: bool
    uses_misfortune: bool

    @property
    def is_sensitive(self) -> bool:
        """Whether a second approver is needed."""
        return self.may_offend or self.may_harm or self.uses_misfortune


def newest(connection: Connection) -> Version | None:
    """The version that was saved last."""
    row = connection.execute(select(versions).order_by(versions.c.number.desc()).limit(1)).first()
    return None if row is None else Version(*row)


def version(connection: Connection, number: int) -> Version:
    """One version. Raises Refused (404)."""
    row = connection.execute(select(versions).where(versions.c.number == number)).first()
    if row is None:
        raise Refused(404, "There is no such version of the campaign.")
    return Version(*row)


def all_versions(connection: Connection, most: int = 100) -> list[Version]:
    """The newest versions, newest first."""
    return [Version(*row) for row in connection.execute(select(versions).order_by(versions.c.number.desc()).limit(most))]


def save(connection: Connection, author: str, note: str, text: str, now_ms: int) -> int:
    """Save a text as the next version; its number."""
    last = newest(connection)
    number = 1 if last is None else last.number + 1
    row = {"number": number, "at_ms": now_ms, "author": author, "note": note[:400], "text": text}
    connection.execute(insert(versions), [row])
    return number


def approvals(connection: Connection, number: int) -> list[Approval]:
    """The sign-offs of a version, oldest first."""
    query = select(*(sign_offs.c[name] for name in Approval._fields)).where(sign_offs.c.version == number)
    return [Approval(*row) for row in connection.execute(query.order_by(sign_offs.c.at_ms))]


def approve(connection: Connection, of: Version, given: Approval) -> None:
    """Sign a version off. Raises Refused (409) for its author, and for a second time."""
    if given.account == of.author:
        raise Refused(409, "Another person than the author signs a version off.")
    if any(one.account == given.account for one in approvals(connection, of.number)):
        raise Refused(409, "You have signed this version off already.")
    connection.execute(insert(sign_offs), [{"version": of.number, **given._asdict()}])


def missing_approval(given: list[Approval]) -> str:
    """The sign-off that a version still needs; empty if none."""
    if not given:
        return "It is not signed off: another person than the author has to."
    if any(one.is_sensitive for one in given) and len(given) == 1:
        return "A question is answered with yes: a second person has to sign it off."
    return ""


def sign_off(given: list[Approval]) -> SignOff:
    """The sign-off of the bundle: a question is answered with yes if anyone of the approvers did."""
    answers = {name: any(getattr(one, name) for one in given) for name, _ in QUESTIONS}
    return SignOff(approver=given[0].account, second_approver=given[1].account if len(given) > 1 else "", **answers)
