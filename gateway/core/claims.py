"""Claims: the proof that a radio id belongs to the person claiming it. Without one nothing is stored of the radio.

A claim in a consent is linked by one of three proofs:

- a code that was issued with the tag: a keyed hash of its id, so the gateway needs one secret for all tags;
- a presentation: the tag was held to a counter scanner, and one phone alone claims it, twice within seconds;
- a key (see `addresses.py` and `ephemeral.py`), which recognises changing ids.

A radio id is linked to one person. The claim of another one changes nothing, and both devices have a reply.

An app claims its person's page with the code that the page shows, and the page confirms it (`page_links.py`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from gateway.core import limits, page_links
from gateway.core.channels import is_page
from gateway.core.state.claims import Refusals
from gateway.core.state.replies import Reply

if TYPE_CHECKING:
    from gateway.core.unit_of_work import UnitOfWork

Outcome = Literal["linked", "waiting", "unproven", "contested", "too_many", "not_a_radio"]
"""Result of one claim. `waiting`: presented, to be confirmed once more after CLAIM_CONFIRM_MS; a page, to be confirmed there.

`unproven` stands also for the tag of another person, so a stranger does not learn of an owner.
"""

CODE_BYTES = 10
ADDRESS_CHARS, EUI_CHARS = 12, 16


def claim_code(secret: bytes, tag: str) -> str:
    """The code issued with a tag: 16 characters (80 bits, A-Z and 2-7) of BLAKE2b of its canonical id, keyed with `secret`."""
    digest = hashlib.blake2b(tag.encode("utf-8", "surrogatepass"), key=secret, digest_size=CODE_BYTES, person=b"wayside-tag")
    return base64.b32encode(digest.digest()).decode()


def names_radio(identifier: str) -> bool:
    """Whether an id has the form of a radio's: 12 or 16 hex digits, or a kind and a value. No device of Wayside has such a name."""
    is_address = len(identifier) in (ADDRESS_CHARS, EUI_CHARS) and set(identifier) <= set("0123456789abcdef")
    return is_address or ":" in identifier


def settle(
    work: UnitOfWork, device: str, subject: str, claimed: Iterable[str], codes: Mapping[str, str], linked: Iterable[str]
) -> dict[str, Outcome]:
    """The outcome of each claimed radio id; `linked` are the ids that the person has already. Refusals are counted."""
    known = frozenset(linked)
    found: dict[str, Outcome] = {}
    for tag in dict.fromkeys(claimed):
        found[tag] = "linked" if tag in known else _outcome(work, device, subject, tag, codes.get(tag))
        if found[tag] not in ("linked", "waiting"):
            _note_refusal(work, device)
    return found


def present(work: UnitOfWork, scanner: str, tag: str, rssi_dbm: float) -> None:
    """Note a tag that is held to a counter scanner; kept in memory for PRESENTED_MS."""
    if scanner in work.site.claims.counters and rssi_dbm >= limits.PRESENTED_DBM_MIN and names_radio(tag):
        work.out.claims.presented[tag] = work.now_ms


def _outcome(work: UnitOfWork, device: str, subject: str, tag: str, code: str | None) -> Outcome:
    if not (names_radio(tag) or is_page(tag)) or tag in work.site.anchors or tag in work.site.devices:
        return "not_a_radio"
    if _refusals(work, device).claims >= limits.CLAIMS_REFUSED_MAX:
        return "too_many"
    owner = work.subject_heard(tag)
    has_code = _is_code(work, tag, code)
    if owner not in (None, subject):
        notify_owner(work, owner, tag)
        return "contested" if has_code else "unproven"
    if is_page(tag):
        return page_links.claim(work, device, tag) if has_code else "unproven"
    return "linked" if has_code else _presented(work, device, tag)


def _is_code(work: UnitOfWork, tag: str, code: str | None) -> bool:
    secret = work.site.claims.secret
    if secret is None or code is None or not code.isascii():
        return False
    stated = code.strip().upper()
    return (
        page_links.is_page_code(secret, tag, stated, work.now_ms) if is_page(tag) else hmac.compare_digest(claim_code(secret, tag), stated)
    )


def _presented(work: UnitOfWork, device: str, tag: str) -> Outcome:
    """The outcome for a tag that may lie at a counter: one device alone must claim it, and again after CLAIM_CONFIRM_MS."""
    seen_ms = work.out.claims.presented.get(tag) or work.state.claims.presented.get(tag)
    if seen_ms is None or work.now_ms - seen_ms > limits.PRESENTED_MS:
        return "unproven"
    asked = dict(work.out.claims.asked.get(tag) or work.state.claims.asked.get(tag) or {})
    asked = {one: at_ms for one, at_ms in asked.items() if work.now_ms - at_ms <= limits.CLAIM_RIVALS_MS}
    first_ms = asked.setdefault(device, work.now_ms)
    work.out.claims.asked[tag] = asked
    rivals = [one for one in asked if one != device]
    for rival in rivals:
        work.out.replies.messages.append(Reply(rival, "claim", {"outcome": "contested"}))
    if rivals:
        return "contested"
    return "linked" if work.now_ms - first_ms >= limits.CLAIM_CONFIRM_MS else "waiting"


def notify_owner(work: UnitOfWork, owner: str | None, tag: str) -> None:
    """Notify the owner of a claim by another device on a radio id or key; at most once in CLAIM_NOTICE_MS for each."""
    person = work.context(owner) if owner is not None else None
    notified_ms = work.out.claims.notified.get(tag) or work.state.claims.notified.get(tag)
    if person is None or (notified_ms is not None and work.now_ms - notified_ms < limits.CLAIM_NOTICE_MS):
        return
    work.out.claims.notified[tag] = work.now_ms
    work.out.replies.messages.append(Reply(person.device, "claim", {"outcome": "contested"}))
    work.out.totals["claims_contested"] += 1


def _refusals(work: UnitOfWork, device: str) -> Refusals:
    known = work.out.claims.refused.get(device) or work.state.claims.refused.get(device)
    fresh = known is not None and work.now_ms - known.since_ms < limits.CLAIMS_WINDOW_MS
    return known if known is not None and fresh else Refusals(0, work.now_ms)


def _note_refusal(work: UnitOfWork, device: str) -> None:
    before = _refusals(work, device)
    work.out.claims.refused[device] = before._replace(claims=before.claims + 1)
    work.out.totals["claims_refused"] += 1
