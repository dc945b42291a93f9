"""A slice: one kind of kept thing, with changes, durability, and how a clock step or a withdrawal affects it.

Each slice is one file here, one file in `gateway/adapters/store/` and, where it is stored, one SQL file in its `schema/`.
`Changes` and `State` (see `gateway.core.state`) are tuples of slices; the engine, the store and the agent walk them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec

if TYPE_CHECKING:
    from gateway.core.context import SubjectContext


class SliceChanges(msgspec.Struct):
    """The changes of one batch to one slice. Every field is in exactly one of the three sets (a house test checks it).

    A value in a DURABLE field requires a commit before the batch is acknowledged. CARRIED fields are stored with the next commit
    and may be lost in a crash before it. VOLATILE fields are never stored.
    """

    DURABLE: ClassVar[frozenset[str]] = frozenset()
    CARRIED: ClassVar[frozenset[str]] = frozenset()
    VOLATILE: ClassVar[frozenset[str]] = frozenset()

    @property
    def is_durable(self) -> bool:
        """Whether any DURABLE field holds a value."""
        for name in self.DURABLE:
            value = getattr(self, name)
            if value or value.__class__ is int:  # an empty container or None holds nothing; 0 is a moment
                return True
        return False

    def forget(self, person: SubjectContext) -> None:
        """Remove this batch's changes about a person after a withdrawal."""


class SliceState(Protocol):
    """The part of the state in memory that belongs to one slice."""

    def accept(self, changes: Any) -> None:
        """Apply the slice's changes, once they are committed or if they need no commit."""

    def rebase(self, step_ms: int) -> None:
        """Move every stored moment by the step of the clock."""
