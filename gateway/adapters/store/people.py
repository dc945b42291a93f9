"""Store of the people slice: contexts (with a cache), identities and keys."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, get_args

import msgspec

from gateway.adapters.store.table import Table
from gateway.adapters.store.words import Words
from gateway.core import limits
from gateway.core.context import Contact, SubjectContext
from gateway.core.neighbours import elsewhere_of
from gateway.core.state import PeopleState
from gateway.core.types import Purpose

if TYPE_CHECKING:
    import apsw

    from gateway.adapters.store.register import RegisterTable
    from gateway.core.addresses import Cipher
    from gateway.core.state.people import PeopleChanges

CONTACTS_SQL = (
    "SELECT id, intended, at_ms, answer, arm = 'sent', steady_ms FROM decisions "
    "WHERE subject = ? AND (intended IS NULL) = 0 AND arm != 'undelivered' ORDER BY rowid DESC LIMIT ?"
)
"""A person's contacts, the newest first, by the order of their writing, which no clock changes."""

ELSEWHERE_SQL = (
    "SELECT at_ms, kind, decision, detail FROM facts AS one WHERE subject = ? AND EXISTS "
    "(SELECT 1 FROM facts WHERE decision = one.decision AND kind IN ('contact', 'contact_held_out')) ORDER BY at_ms, kind DESC"
)

UPSERT = "INSERT INTO contexts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET expires_at_ms = excluded.expires_at_ms, body = excluded.body"
UPDATE = "UPDATE contexts SET body = ? WHERE subject = ?"

_PACK = msgspec.msgpack.Encoder()
_CONTEXT = msgspec.msgpack.Decoder(SubjectContext)
_STORED = tuple(sorted({*SubjectContext.__struct_fields__} - {"learned", "contacts", "elsewhere"}))
_WORDS = _PACK.encode(SubjectContext("", "", get_args(Purpose), "", 0))


def packed(context: SubjectContext, words: Words) -> bytes:
    """A context as it is stored, without contacts: decision log and facts have them."""
    return words.packed(_PACK.encode(msgspec.structs.replace(context, contacts=(), elsewhere=())), _WORDS)


def unpacked(body: bytes, words: Words) -> SubjectContext:
    """A stored context."""
    return _CONTEXT.decode(words.unpacked(body))


class PeopleTable(Table):
    """Contexts are cached as committed; the newest CONTEXTS_CACHED_MAX stay.

    A decision for silence changes the counts of the moments in the context alone. Such a context waits for the next commit
    that changes more of it, or for `save_moments`: a write for each took a tenth of the bytes of a visit. A crash loses these counts.
    """

    def __init__(self, database: apsw.Connection, register: RegisterTable, words: Words) -> None:
        """Start with an empty cache; a context has the purposes that the `register` grants."""
        super().__init__(database)
        self._register, self._words = register, words
        self.cache: OrderedDict[str, SubjectContext] = OrderedDict()
        self._waiting: dict[str, SubjectContext] = {}

    def generation(self) -> int:
        """Number of withdrawals that this file has carried out."""
        return int(self.one("SELECT value FROM meta WHERE name = 'generation'") or 0)

    def save_generation(self, generation: int) -> None:
        """Note that the withdrawals up to this number are carried out."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('generation', ?)", (generation,))

    def owners(self) -> list[tuple[str, str]]:
        """All devices and tags, each with its subject."""
        return [(mover, subject) for mover, subject in self.rows("SELECT mover, subject FROM identities")]

    def subjects(self) -> list[str]:
        """Everyone with a context or a device."""
        return [subject for (subject,) in self.rows("SELECT subject FROM contexts UNION SELECT subject FROM identities")]

    def state(self, cipher: Cipher | None, generation: int = 0) -> PeopleState:
        """Identities and keys as of the last commit."""
        return PeopleState(dict(self.owners()), dict(self.rows("SELECT key, subject FROM keys")), cipher, generation)

    def context(self, subject: str) -> SubjectContext | None:
        """The context of a subject, with its recent contacts from the decision log."""
        cached = self.cache.get(subject) or self._waiting.get(subject)
        if cached is not None:
            self._cache(cached)
            return cached
        body = self.one("SELECT body FROM contexts WHERE subject = ?", (subject,))
        if body is None:
            return None
        rows = self.rows(CONTACTS_SQL, (subject, limits.CONTACTS_KEPT_MAX))
        newest = [Contact(id_, offer, at_ms, answer, bool(sent), steady_ms) for id_, offer, at_ms, answer, sent, steady_ms in rows]
        elsewhere = elsewhere_of(self.rows(ELSEWHERE_SQL, (subject,)))
        stored = unpacked(body, self._words)
        granted = {grant.purpose for grant in self._register.grants(subject)}
        purposes = tuple(purpose for purpose in stored.purposes if purpose in granted)
        context = msgspec.structs.replace(stored, contacts=tuple(reversed(newest)), elsewhere=elsewhere, purposes=purposes)
        self._cache(context)
        return context

    def expired(self, now_ms: int) -> list[str]:
        """At most EXPIRED_SUBJECTS_MAX subjects whose consent has expired."""
        rows = self.rows("SELECT subject FROM contexts WHERE expires_at_ms <= ? LIMIT ?", (now_ms, limits.EXPIRED_SUBJECTS_MAX))
        return [subject for (subject,) in rows]

    def save(self, changes: PeopleChanges) -> None:
        """Write contexts, identities and keys."""
        for subject, context in changes.contexts.items():
            if context is not None and not self._may_wait(context):
                self._db.execute(UPSERT, (subject, context.consent_expires_at_ms, packed(context, self._words)))
        for table, name, owners in (("identities", "mover", changes.identities), ("keys", "key", changes.keys)):
            for value, owner in owners.items():
                self._db.execute(f"DELETE FROM {table} WHERE {name} = ?", (value,))  # noqa: S608 - names from the line above
                if owner is not None:
                    self._db.execute(f"INSERT INTO {table} VALUES (?, ?)", (value, owner))  # noqa: S608 - as above
        if changes.generation is not None:
            self.save_generation(changes.generation)

    def forget(self, subject: str) -> None:
        """Delete the person's context, identities and keys."""
        for table in ("contexts", "identities", "keys"):
            self._db.execute(f"DELETE FROM {table} WHERE subject = ?", (subject,))  # noqa: S608 - names from the line above

    def committed(self, changes: PeopleChanges) -> None:
        """Bring the cache to the committed contexts."""
        for subject, context in changes.contexts.items():
            if context is None:
                self.cache.pop(subject, None)
                self._waiting.pop(subject, None)
                continue
            if self._may_wait(context):
                self._waiting[subject] = context
            else:
                self._waiting.pop(subject, None)
            self._cache(context)

    def save_moments(self) -> None:
        """Write the contexts that wait; `moments_saved` follows the commit."""
        self._db.executemany(UPDATE, [(packed(context, self._words), subject) for subject, context in self._waiting.items()])

    def moments_saved(self) -> None:
        """No context waits any more."""
        self._waiting.clear()

    def clear(self) -> None:
        """Empty the cache, without a write."""
        self.cache.clear()
        self._waiting.clear()

    def _may_wait(self, context: SubjectContext) -> bool:
        """Whether a context differs from the committed one in counts of moments only."""
        before = self.cache.get(context.subject) or self._waiting.get(context.subject)
        if before is None:
            return False
        return before.learned.effects == context.learned.effects and all(
            getattr(before, name) == getattr(context, name) for name in _STORED
        )

    def _cache(self, context: SubjectContext) -> None:
        self.cache[context.subject] = context
        self.cache.move_to_end(context.subject)
        if len(self.cache) > limits.CONTEXTS_CACHED_MAX:
            self.cache.popitem(last=False)
