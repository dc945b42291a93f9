"""The ports to the database and to the cloud, as the engine and the running agent use them.

`gateway.adapters.store` and `gateway.adapters.cloud` implement them; tests have other implementations of the same signatures.
The port to the broker is `gateway.core.bus`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import msgspec

from gateway.core.refusal import Refusal

if TYPE_CHECKING:
    from gateway.core.context import SubjectContext
    from gateway.core.policy.decision import Decision
    from gateway.core.presence import PresenceRules
    from gateway.core.records import Batch
    from gateway.core.site import Cuts, Site
    from gateway.core.state import Changes, Proposed, State, Trigger, VisitsState
    from gateway.core.state.screens import Slot
    from gateway.core.types import Envelope, Redemption


class StoreError(Refusal):
    """The store cannot be opened or used; the text names the cause and the way out."""


class StoreDamagedError(StoreError):
    """The file of the store is damaged."""


class StoreFullError(StoreError):
    """The disk is full or failing: nothing of the batch was stored. Keep it, and try again later."""


class DeadLetter(NamedTuple):
    """Messages of one topic that a decoder refused for one reason: the number, and the newest one without its content."""

    at_ms: int
    decoder: str
    reason: str
    detail: str
    topic: str
    payload_bytes: int
    times: int = 1


class Counted(NamedTuple):
    """Since the start: records made, and contacts that did not count because the person's bound of the day was reached."""

    records: int
    contacts_dropped: int


class Repository(Protocol):
    """The store as the engine sees it: it answers questions about committed rows, and changes nothing."""

    def context(self, subject: str) -> SubjectContext | None:
        """The context of a subject, with the contacts from the decision log."""

    def is_known(self, envelope: Envelope) -> bool:
        """Whether the fact of this envelope was committed before."""

    def withdrawn_seq(self, envelope: Envelope) -> int | None:
        """Sequence number of the last withdrawal in this boot of the device, or None."""

    def proposed(self, decision: str) -> Proposed | None:
        """The offer that a decision of this gateway proposed, or None."""

    def answered(self, decision: str) -> set[str]:
        """The kinds of the committed answers to a decision."""

    def requested(self, envelope: Envelope) -> Decision | None:
        """The decision that answered the request of this envelope, or None."""

    def decision(self, id_: str) -> Decision | None:
        """A decision of the log for an offer, sent or not, or None."""

    def slot(self, id_: str) -> Slot | None:
        """A slot of a screen's programme, or None."""

    def redemptions(self, decision: str) -> list[Redemption]:
        """The known redemptions of the coupon of a decision, the earliest first."""

    def expired(self, now_ms: int) -> list[str]:
        """Subjects with an expired consent, at most EXPIRED_SUBJECTS_MAX at a time."""

    def is_outdated(self, cuts: Cuts) -> bool:
        """Whether any table holds rows older than `cuts`."""

    def backlog(self) -> int:
        """Number of records waiting to leave."""

    def is_outbox_full(self) -> bool:
        """Whether the outbox has no room for more records."""


class Store(Repository, Protocol):
    """The store as the running agent sees it. Used by the writer thread only; every write raises StoreFullError on a full disk."""

    def expect(self, site: Site, model: str) -> None:
        """Store the decisions of this site and model in fewer bytes."""

    def state(self, now_ms: int, rules: PresenceRules) -> State:
        """The state as of the last commit."""

    def save(self, changes: Changes) -> None:
        """Commit all of `changes` or nothing."""

    def save_times(self, state: State) -> None:
        """Store the moments of the state again, after the clock was set."""

    def save_heard(self, visits: VisitsState) -> None:
        """Store when people in open visits were last heard: now and then, and before the end."""

    def finish_erasure(self) -> None:
        """Remove what deleted rows left behind in the store's files, if that was not possible yet."""

    @property
    def awaits_new_key(self) -> bool:
        """Whether people were erased whose rows an older copy of the store could still show."""

    def replace_key(self) -> bool:
        """Make older copies of the store unreadable; False while another program has it open."""

    def counted(self) -> Counted:
        """Totals of counting since the start."""

    def waiting_triggers(self) -> list[Trigger]:
        """Triggers that the broker has not acknowledged."""

    def open_redemptions(self, gateway: str, now_ms: int) -> list[Redemption]:
        """Redemptions at the gateway's own tills of coupons that have not ended, at most REDEMPTIONS_REPEATED_MAX."""

    def triggers_sent(self, ids: Sequence[str]) -> None:
        """Delete triggers that the broker acknowledged or that expired."""

    def store_dead_letters(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Keep refused messages, the newest DEAD_LETTERS_MAX."""

    def next_batch(self, gateway: str) -> Batch | None:
        """The batch to send next, the same one until it was taken or set aside; None if nothing waits."""

    def records_taken(self, batch: Batch, taken: Sequence[str]) -> int:
        """Delete the records that the cloud acknowledged; returns their number."""

    def quarantine(self, batch: Batch) -> int:
        """Quarantine a batch that the cloud refuses; returns the number of its records."""

    def close(self) -> None:
        """Checkpoint and close."""


Reply = Literal["taken", "refused", "unreachable", "busy", "never"]
"""`refused` may be mended on the other side (a token, an address); `never` is about this batch and will not change."""


class CloudReply(msgspec.Struct, frozen=True):
    """Result of one POST. `taken` are the acknowledged record ids; `trouble` describes a failure for status and log."""

    kind: Reply
    taken: tuple[str, ...] = ()
    retry_after_ms: int | None = None
    trouble: str = ""


class OutboundReply(NamedTuple):
    """Result of one try to pass an offer on; `trouble` describes a failure for the log. A refused one is not repeated."""

    kind: Literal["taken", "refused", "busy", "unreachable"]
    trouble: str = ""


class Outbound(Protocol):
    """The system that passes offers on to people: SMS, e-mail, messenger, contact centre."""

    def post(self, id_: str, body: bytes, now_ms: int) -> OutboundReply:
        """Send one message, within a deadline; a repetition has the same id and body. Failures are part of the reply."""


class Fetched(NamedTuple):
    """Result of one fetch of a feed; `validators` identify the document that `body` holds, `trouble` describes a failure."""

    kind: Literal["changed", "same", "failed"]
    body: bytes = b""
    validators: Mapping[str, str] = MappingProxyType({})
    trouble: str = ""
    retry_after_ms: int | None = None


class Feed(Protocol):
    """A document on the network that changes now and then."""

    def fetch(self) -> Fetched:
        """The document if it has changed since the last one that was taken, within a deadline."""

    def taken(self, fetched: Fetched) -> None:
        """The document was taken; the next fetch is compared with it."""


class Cloud(Protocol):
    """The uplink's other end."""

    def post(self, batch: Batch) -> CloudReply:
        """Send one batch; failures of the network or the cloud are part of the reply, not exceptions."""
