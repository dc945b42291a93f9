"""Store of the people slice: contexts (with a cache), identities and keys."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.store.table import Table
from gateway.core import limits
from gateway.core.context import Contact, SubjectContext
from gateway.core.neighbours import elsewhere_of
from gateway.core.state import PeopleState

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

_PACK = msgspec.msgpack.Encoder()
_CONTEXT = msgspec.msgpack.Decoder(SubjectContext)


class PeopleTable(Table):
    """Contexts are cached as committed; the newest CONTEXTS_CACHED_MAX stay."""

    def __init__(self, database: apsw.Connection, register: RegisterTable) -> None:
        """Start with an empty cache; a context has the purposes that the `register` grants."""
        super().__init__(database)
        self._register = register
        self.cache: OrderedDict[str, SubjectContext] = OrderedDict()

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
        cached = self.cache.get(subject)
        if cached is not None:
            self.cache.move_to_end(subject)
            return cached
        body = self.one("SELECT body FROM contexts WHERE subject = ?", (subject,))
        if body is None:
            return None
        rows = self.rows(CONTACTS_SQL, (subject, limits.CONTACTS_KEPT_MAX))
        newest = [Contact(id_, offer, at_ms, answer, bool(sent), steady_ms) for id_, offer, at_ms, answer, sent, steady_ms in rows]
        elsewhere = elsewhere_of(self.rows(ELSEWHERE_SQL, (subject,)))
        stored = _CONTEXT.decode(body)
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
        """Write contexts without contacts (decision log and facts have them), identities and keys."""
        for subject, context in changes.contexts.items():
            if context is not None:
                body = _PACK.encode(msgspec.structs.replace(context, contacts=(), elsewhere=()))
                self._db.execute("INSERT OR REPLACE INTO contexts VALUES (?, ?, ?)", (subject, context.consent_expires_at_ms, body))
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
            else:
                self._cache(context)

    def _cache(self, context: SubjectContext) -> None:
        self.cache[context.subject] = context
        self.cache.move_to_end(context.subject)
        if len(self.cache) > limits.CONTEXTS_CACHED_MAX:
            self.cache.popitem(last=False)
