"""Actions of a person on the page, as observations for the engine; and the reads of the page.

The envelope of each fact has a fresh boot, because a page has no counter of its own. A consent is numbered after the newest known one, so
a page and an app of the same person come after each other.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from gateway.core import context as contexts
from gateway.core import signed_codes
from gateway.core.channels import coupon_code, offer_message
from gateway.core.creatives import choose_creative
from gateway.core.page_links import page_code
from gateway.core.types import Answer, CheckIn, Consent, Control, Envelope, PageLink, Purpose
from gateway.decoders.values.radio_ids import canonical_id
from gateway.page import forms
from gateway.page.control import ITEMS, SCALE, is_due
from gateway.page.kept import Kept, Stay, decided, kept
from gateway.page.offer_views import Live, why
from gateway.page.owners import Owners, draw
from gateway.page.texts import CONSENT_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from gateway.core.context import SubjectContext, Wishes
    from gateway.core.offers import Campaign, Offer
    from gateway.core.policy.decision import Decision
    from gateway.core.records import HourCounts, OfferCounts
    from gateway.core.site import Site
    from gateway.core.state.register import Grant
    from gateway.core.types import AnswerKind, Observation
    from gateway.page.kept import People
    from gateway.page.records import Records
    from gateway.page.texts import Texts
    from gateway.runtime.app import Asked

T = TypeVar("T")
WAIT_S = 5.0  # for the writer thread
DAY_MS = 86_400_000
CODE_MS = 20_000  # between two codes of a screen
CODE_GRACE_MS = 40_000  # in which a code that was replaced is still taken: the time to scan it and to open the page
TICKET_MS = 900_000  # to read the page before the consent
WITHDRAWING_MS = 600_000  # without offers on the page after a no that could not be stored yet
CHANGES_MAX = 3  # tries to number a consent after the newest known one
SHOWN_MS_MAX = 31 * DAY_MS  # how far back taken offers with a coupon are looked for: the longest validity


class BusyError(RuntimeError):
    """The writer thread did not answer in time; nothing was changed."""


class Gateway(Protocol):
    """The part of the running gateway that the page uses."""

    site: Site

    def ask(self, observations: Sequence[Observation], device: str) -> Future[Asked]:
        """Fold observations on the writer thread; the result is committed."""


class Actions:
    """Reads and changes; used by the thread of the page's server."""

    def __init__(self, gateway: Gateway, records: Records, owners: Owners, secret: bytes, now_ms: Callable[[], int]) -> None:
        """`secret` signs the codes of zones and tickets."""
        self._gateway, self._records, self._secret = gateway, records, secret
        self.owners, self.now_ms = owners, now_ms
        self._withdrawing: dict[str, int] = {}
        self._wait_s = WAIT_S

    # --- reads -------------------------------------------------------------------------------------------------

    @property
    def campaign(self) -> Campaign:
        """The present campaign."""
        return self._gateway.site.campaign

    async def person(self, device: str) -> SubjectContext | None:
        """The person of a page, or None without a consent that stands. Raises StoreError."""
        found = await self._records.read(lambda people: _person(people, device))
        return None if found is None or contexts.has_expired(found.consent_expires_at_ms, self.now_ms()) else found

    async def grants(self, person: SubjectContext) -> list[Grant]:
        """The person's rows of the register. Raises StoreError."""
        return await self._records.read(lambda people: people.grants(person.subject))

    def may_offer(self, person: SubjectContext) -> bool:
        """Whether the consent covers offers."""
        return contexts.may_be_offered(person.purposes)

    @staticmethod
    def wishes(person: SubjectContext) -> Wishes:
        """The person's wishes, or empty ones."""
        return person.wishes or contexts.Wishes()

    async def kept(self, person: SubjectContext) -> tuple[Kept, list[HourCounts | OfferCounts]]:
        """Everything that is kept of the person, and the newest counts that have left. Raises StoreError."""
        now_ms = self.now_ms()
        return await self._records.read(lambda people: (kept(people, person, now_ms), people.shown_records()))

    async def live(self, person: SubjectContext, texts: Texts) -> tuple[list[Live], tuple[Stay, ...]]:
        """The offers that are open or taken, the newest first, and the zones in which the person is. Raises StoreError."""
        since_ms = self.now_ms() - SHOWN_MS_MAX
        found, stays = await self._records.read(
            lambda people: (people.answered(person.subject, since_ms), people.presences(person.subject))
        )
        live = (
            [self._live(person, decision, answer, texts) for decision, answer in found]
            if self.may_offer(person) and not self.is_withdrawing(person)
            else []
        )
        return [one for one in live if one is not None], tuple(Stay(zone, entered_ms) for zone, entered_ms, _ in stays)

    def _live(self, person: SubjectContext, decision: Decision, answer: AnswerKind | None, texts: Texts) -> Live | None:
        """The offer of a decision; None for silence, and for an offer that is over, refused or blocked."""
        site = self._gateway.site
        offer = site.campaign.offer(decision.offer) if decision.offer else None
        if offer is None or answer in ("dismissed", "redeemed") or _is_blocked(self.wishes(person), offer):
            return None
        is_taken = answer == "accepted"
        expires_at_ms = decision.at_ms + site.campaign.policy.trigger_expiry_s * 1000
        ends_ms = decision.at_ms + int(offer.expiry_hours * 3_600_000) if is_taken else expires_at_ms
        if self.now_ms() >= ends_ms:
            return None
        code = coupon_code(site.coupons, decision.id, offer, site.campaign.policy, expires_at_ms) if is_taken else ""
        creative = choose_creative(offer.creatives, "phone", texts.language)
        body = offer_message(decision.id, offer, creative, decision.zone, ends_ms)
        reason = why(texts, decided(decision, answer), site.timezone)
        return Live(decision.id, str(body["title"]), str(body["body"]), offer.shop, reason, ends_ms, code, is_taken, answer is None)

    async def shown(self, person: SubjectContext, texts: Texts) -> tuple[list[Live], tuple[Stay, ...]]:
        """As `live`, and each offer is noted as shown. Raises BusyError, StoreError."""
        found = await self.live(person, texts)
        fresh = [one.decision for one in found[0] if one.is_fresh]
        if fresh:
            boot = draw().boot
            stated = [Answer(Envelope(person.device, boot, at), decision, "shown") for at, decision in enumerate(fresh)]
            await self._ask(stated, person.device)
        return found

    # --- codes ---------------------------------------------------------------------------------------------------

    def zone_of(self, code: str) -> str:
        """The zone of a screen's code. Raises WrongCodeError, ExpiredCodeError."""
        return signed_codes.read(self._secret, "zone", code, self.now_ms())

    def screen_zone(self, key: str) -> str:
        """The zone of a screen's key. Raises WrongCodeError."""
        return signed_codes.read(self._secret, "screen", key, self.now_ms())

    def code(self, zone: str) -> str:
        """The code that a zone's screen shows now."""
        until_ms = (self.now_ms() // CODE_MS + 1) * CODE_MS + CODE_GRACE_MS
        return signed_codes.issue(self._secret, "zone", zone, until_ms)

    def ticket(self, zone: str) -> str:
        """A check-in that was begun in a zone: it outlives the screen's code by the time to read the page."""
        return signed_codes.issue(self._secret, "here", zone, self.now_ms() + TICKET_MS)

    # --- changes -------------------------------------------------------------------------------------------------

    @staticmethod
    def new_token() -> str:
        """The text of a new page's cookie."""
        return draw().token

    async def consent(
        self, device: str, person: SubjectContext | None, purposes: tuple[Purpose, ...], days: int, wording: str
    ) -> Mapping[str, object]:
        """The receipt of a consent. Raises BusyError, StoreError."""
        change = (person.consent_change or 0 if person else 0) + 1
        speaker = person.device if person else device
        receipt: Mapping[str, object] = {}
        for _ in range(CHANGES_MAX):
            envelope = Envelope(speaker, draw().boot, 1)
            expires_at_ms = self.now_ms() + days * DAY_MS
            stated = Consent(
                envelope,
                purposes,
                CONSENT_VERSION,
                self.now_ms(),
                expires_at_ms,
                tags=person.tags if person else (),
                irks=person.irks if person else (),
                eid_keys=person.eid_keys if person else (),
                change=change,
                wording=wording,
                source="page",
            )
            receipt = (await self._ask([stated], speaker)).reply
            if receipt.get("outcome") != "overtaken":
                break
            change = int(str(receipt["change"])) + 1
        return receipt

    def app_code(self, device: str) -> str | None:
        """The code with which an app claims a page now, or None if the site issues no codes."""
        secret = self._gateway.site.claims.secret
        return None if secret is None else page_code(secret, device, self.now_ms())

    async def link_app(self, device: str, number: str) -> bool:
        """Link a page with the app that shows a number; False for another number. Raises BusyError, StoreError."""
        return not (await self._ask([PageLink(device, "".join(number.split()))], device)).discarded

    async def unlink_pages(self, device: str) -> None:
        """End the links of all pages of a page's person. Raises BusyError, StoreError."""
        await self._ask([PageLink(device, None)], device)

    async def erase(self, person: SubjectContext) -> tuple[str, dict[str, int]]:
        """Withdraw: everything is deleted in one commit. Returns the number of the receipt, and the rows deleted by table.

        Raises BusyError, StoreError; the withdrawal is then still waiting for the writer, and no offer is shown meanwhile.
        """
        now_ms = self.now_ms()
        self._withdrawing = {one: at_ms for one, at_ms in self._withdrawing.items() if now_ms - at_ms < WITHDRAWING_MS}
        self._withdrawing[person.subject] = now_ms
        rows = (await self._records.read(lambda people: kept(people, person, now_ms))).rows
        envelope = Envelope(person.device, draw().boot, 1)
        stated = Consent(envelope, (), CONSENT_VERSION, now_ms, change=(person.consent_change or 0) + 1, source="page")
        await self._ask([stated], person.device)
        del self._withdrawing[person.subject]
        return hashlib.blake2b(f"{envelope.device}\0{envelope.boot}".encode(), digest_size=6).hexdigest(), rows

    def is_withdrawing(self, person: SubjectContext) -> bool:
        """Whether a withdrawal of the person waits for its commit, or failed a short time ago."""
        return self.now_ms() - self._withdrawing.get(person.subject, 0) < WITHDRAWING_MS

    async def link(self, person: SubjectContext, form: forms.Fields) -> str:
        """Claim a tag, with a code or held to a counter; the outcome of the claim. Raises BusyError, StoreError."""
        tag, code = canonical_id(forms.one(form, "tag").strip()), forms.one(form, "code").strip()
        grants = await self.grants(person)
        newest = max(grants, key=lambda grant: grant.at_ms)
        stated = Consent(
            Envelope(person.device, draw().boot, 1),
            person.purposes,
            newest.version,
            self.now_ms(),
            person.consent_expires_at_ms,
            tags=(*person.tags, tag),
            irks=person.irks,
            codes={tag: code} if code else {},
            eid_keys=person.eid_keys,
            change=(person.consent_change or 0) + 1,
            wording=newest.wording,
            source="page",
        )
        reply = (await self._ask([stated], person.device)).reply
        claims = reply.get("claims")
        return str(claims[-1]) if isinstance(claims, list) and claims else "unproven"

    async def wish(self, person: SubjectContext, form: forms.Fields, language: str) -> None:
        """Take wishes. Raises FormError, BusyError, StoreError."""
        change = (person.wishes.change if person.wishes else 0) + 1
        stated = forms.wish_list(form, Envelope(person.device, draw().boot, 1), change, language, self.campaign)
        await self._ask([stated], person.device)

    def may_ask(self, person: SubjectContext) -> bool:
        """Whether the question of perceived control may be asked: once a year."""
        return is_due(person.control_ms, self.now_ms())

    async def state_control(self, person: SubjectContext, form: forms.Fields) -> None:
        """Take the answers to the question of perceived control. Raises FormError, BusyError, StoreError."""
        items = (forms.number(form, ITEMS[0], SCALE), forms.number(form, ITEMS[1], SCALE))
        await self._ask([Control(Envelope(person.device, draw().boot, 1), items)], person.device)

    async def answer(self, person: SubjectContext, form: forms.Fields) -> bool:
        """Take the answer to an offer; False if it is not open any more, or another person's. Raises FormError, BusyError, StoreError."""
        kind = forms.answer_kind(form)
        reason = forms.answer_reason(form, kind)
        stated = Answer(Envelope(person.device, draw().boot, 1), forms.one(form, "decision"), kind, reason=reason)
        return not (await self._ask([stated], person.device)).discarded

    async def check_in(self, device: str, ticket: str) -> None:
        """Enter the zone of a ticket. Raises WrongCodeError, ExpiredCodeError, BusyError, StoreError."""
        zone = signed_codes.read(self._secret, "here", ticket, self.now_ms())
        await self._ask([CheckIn(device, zone)], device)

    async def _ask(self, observations: Sequence[Observation], device: str) -> Asked:
        """The committed result. Raises BusyError after WAIT_S: the observations may still be taken later, as a message of a phone would."""
        future = asyncio.wrap_future(self._gateway.ask(observations, device))
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._wait_s)
        except TimeoutError:
            raise BusyError from None


def _person(people: People, device: str) -> SubjectContext | None:
    subject = people.subject_of(device)
    return None if subject is None else people.person(subject)


def _is_blocked(wishes: Wishes, offer: Offer) -> bool:
    blocked = wishes.blocked
    return offer.id in blocked.offers or offer.category in blocked.categories or offer.shop in blocked.shops
