"""Links between a page and the app of its person, confirmed in both directions.

A page shows a code, which changes every PAGE_CODE_MS, and an app claims the page with it. The app then has a number, and the link stands
once the number is typed on that page within PAGE_LINK_MS. So the code alone links nothing: of a picture of it on a wall, the number is
shown by the app that scanned it, and the page of its author does not have it; and an app that took the code from the screen of another
person shows a number that this person does not type.

A page waits for one app. Two apps that claim it end the wait, and so do TRIES_MAX wrong numbers and the right one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

import msgspec

from gateway.core import context as contexts
from gateway.core import limits
from gateway.core.channels import is_page
from gateway.core.discards import Discard
from gateway.core.state.claims import Waiting
from gateway.core.state.replies import Reply

if TYPE_CHECKING:
    from typing import Literal

    from gateway.core.context import SubjectContext
    from gateway.core.types import PageLink
    from gateway.core.unit_of_work import UnitOfWork

CODE_BYTES = 10
NUMBER_DIGITS = 6
TRIES_MAX = 3  # to type a number: three of a million are right by chance


def page_code(secret: bytes, page: str, now_ms: int) -> str:
    """The code that a page shows at `now_ms`."""
    return _code(secret, page, now_ms // limits.PAGE_CODE_MS)


def is_page_code(secret: bytes, page: str, code: str, now_ms: int) -> bool:
    """Whether a page shows this code at `now_ms`, or showed it last; `code` is ASCII in upper case."""
    window = now_ms // limits.PAGE_CODE_MS
    return any(hmac.compare_digest(_code(secret, page, at), code) for at in (window, window - 1))


def claim(work: UnitOfWork, device: str, page: str) -> Literal["waiting", "contested"]:
    """Let a page without a person wait for the app `device`, which has the page's code; the app has the number as a notice."""
    waiting = _waiting(work, page)
    if waiting is not None and waiting.device != device:
        _end(work, page, waiting)
        work.out.replies.messages.append(Reply(waiting.device, "claim", {"outcome": "contested"}))
        return "contested"
    if waiting is None:
        number = int(work.draw(), 16) % 10**NUMBER_DIGITS
        waiting = work.out.claims.pages[page] = Waiting(device, f"{number:0{NUMBER_DIGITS}}", work.now_ms)
    notice = {"outcome": "confirm", "number": waiting.number}
    work.out.replies.messages.append(Reply(device, "claim", notice, expiry_s=limits.PAGE_LINK_MS // 1000))
    return "waiting"


def fold(work: UnitOfWork, stated: PageLink) -> Discard | None:
    """Link a page with the number of an app, or end all links of the page's person; the app has a notice of both."""
    return _unlink(work, stated.device) if stated.number is None else _link(work, stated.device, stated.number)


def _link(work: UnitOfWork, page: str, number: str) -> Discard | None:
    waiting = _waiting(work, page)
    subject = work.subject_of(waiting.device) if waiting is not None else None
    person = work.context(subject) if subject else None
    if waiting is None or person is None or contexts.has_expired(person.consent_expires_at_ms, work.now_ms):
        return Discard.NOT_CONSENTED
    if not hmac.compare_digest(waiting.number, number if number.isascii() else ""):
        work.out.claims.pages[page] = waiting._replace(tries=waiting.tries + 1)
        return Discard.OTHER_SPEAKER
    _end(work, page, waiting)
    if work.subject_of(page) is not None or len(person.tags) >= limits.TAGS_PER_SUBJECT_MAX or work.identity_count >= limits.IDENTITIES_MAX:
        return Discard.TOO_MANY_SUBJECTS
    work.assign_identifier(page, person.subject)
    _keep(work, person, (*person.tags, page), "page_linked")
    return None


def _unlink(work: UnitOfWork, page: str) -> Discard | None:
    subject = work.subject_of(page)
    person = work.context(subject) if subject else None
    pages = [tag for tag in person.tags if is_page(tag)] if person is not None else []
    if person is None or page not in pages:
        return Discard.NOT_CONSENTED
    for one in pages:
        work.assign_identifier(one, None)
    _keep(work, person, tuple(tag for tag in person.tags if tag not in pages), "page_unlinked")
    return None


def _keep(work: UnitOfWork, person: SubjectContext, tags: tuple[str, ...], outcome: str) -> None:
    work.out.people.contexts[person.subject] = msgspec.structs.replace(person, tags=tags)
    work.out.replies.messages.append(Reply(person.device, "claim", {"outcome": outcome}))


def _waiting(work: UnitOfWork, page: str) -> Waiting | None:
    """The app that a page waits for, or None."""
    found = work.out.claims.pages.get(page) or work.state.claims.pages.get(page)
    is_open = found is not None and found.tries < TRIES_MAX and work.now_ms - found.since_ms < limits.PAGE_LINK_MS
    return found if is_open else None


def _end(work: UnitOfWork, page: str, waiting: Waiting) -> None:
    work.out.claims.pages[page] = waiting._replace(tries=TRIES_MAX)


def _code(secret: bytes, page: str, window: int) -> str:
    digest = hashlib.blake2b(f"{page} {window}".encode(), key=secret, digest_size=CODE_BYTES, person=b"wayside-link")
    return base64.b32encode(digest.digest()).decode()
