"""Consenting people: contexts, and the subjects of devices, tags and resolving keys."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, ClassVar, TypeVar

import msgspec

from gateway.core import limits
from gateway.core.addresses import Cipher, Resolved
from gateway.core.context import SubjectContext
from gateway.core.ephemeral import KEY_PREFIX
from gateway.core.state.slices import SliceChanges

if TYPE_CHECKING:
    from collections.abc import Mapping


K = TypeVar("K")
T = TypeVar("T")


class PeopleChanges(SliceChanges):
    """`contexts` by subject; `identities` (device or tag) and `keys` (identity resolving keys) to their subject. None deletes.

    `addresses` are private addresses that were looked up, with the key that resolves them or without. `ephemeral` are the ephemeral ids
    of a window, by id. `generation` is the number of withdrawals so far.
    """

    DURABLE: ClassVar[frozenset[str]] = frozenset({"contexts", "identities", "keys"})
    CARRIED: ClassVar[frozenset[str]] = frozenset({"generation"})
    VOLATILE: ClassVar[frozenset[str]] = frozenset({"addresses", "ephemeral"})

    contexts: dict[str, SubjectContext | None] = msgspec.field(default_factory=dict)
    identities: dict[str, str | None] = msgspec.field(default_factory=dict)
    keys: dict[str, str | None] = msgspec.field(default_factory=dict)
    addresses: dict[str, Resolved] = msgspec.field(default_factory=dict)
    ephemeral: tuple[int, dict[str, str]] | None = None
    generation: int | None = None


class PeopleState:
    """The subject of each device, tag and resolving key, and looked-up addresses. Contexts are in the store only."""

    def __init__(
        self, identities: Mapping[str, str], keys: Mapping[str, str] | None = None, cipher: Cipher | None = None, generation: int = 0
    ) -> None:
        """`keys` (identity resolving keys, and keys of ephemeral ids after KEY_PREFIX -> subject) need a `cipher` to be of use."""
        self.identities = dict(identities)
        self.keys = dict(keys or {})
        self.cipher = cipher
        self.generation = generation
        self.addresses: dict[str, Resolved] = {}
        self.ephemeral: dict[str, str] = {}
        self.window: int | None = None
        self._split_keys()

    def accept(self, changes: PeopleChanges) -> None:
        """Apply committed changes. A change of keys empties the address cache: other addresses may resolve now."""
        if changes.identities:
            _apply(self.identities, changes.identities)
        if changes.keys:
            _apply(self.keys, changes.keys)
            self._split_keys()
            self.rebase(0)
            if self.cipher is not None:
                self.cipher.encrypted(self.irks, b"")  # drops the deleted keys from the cipher's cache
        elif changes.addresses:
            keep_newest(self.addresses, changes.addresses, limits.ADDRESSES_CACHED_MAX)
        if changes.ephemeral is not None and not changes.keys:
            self.window, self.ephemeral = changes.ephemeral
        if changes.generation is not None:
            self.generation = changes.generation

    def rebase(self, step_ms: int) -> None:  # noqa: ARG002 - addresses are looked up again instead
        """Empty the caches of addresses and ephemeral ids, whose lifetimes were measured by the old clock."""
        self.addresses.clear()
        self.ephemeral, self.window = {}, None

    def _split_keys(self) -> None:
        self.irks = tuple(key for key in self.keys if not key.startswith(KEY_PREFIX))
        self.eid_keys = tuple(key.removeprefix(KEY_PREFIX) for key in self.keys if key.startswith(KEY_PREFIX))


def _apply(table: dict[str, str], changes: Mapping[str, str | None]) -> None:
    for name, owner in changes.items():
        if owner is None:
            table.pop(name, None)
        else:
            table[name] = owner


def keep_newest(table: dict[K, T], news: Mapping[K, T], most: int) -> None:
    """Write `news` into `table` and drop its oldest entries beyond `most`."""
    for name, value in news.items():
        table.pop(name, None)
        table[name] = value
    for name in list(islice(table, max(0, len(table) - most))):
        del table[name]
