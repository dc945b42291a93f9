"""History log: every fact of a person that was folded into attributes, in order, so that past values can be worked out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from gateway.core.attributes.log import LogRow
from gateway.core.state.slices import SliceChanges

if TYPE_CHECKING:
    from gateway.core.context import SubjectContext


class HistoryChanges(SliceChanges):
    """`rows` in order, only of subjects with consent to learning."""

    DURABLE: ClassVar[frozenset[str]] = frozenset({"rows"})

    rows: list[LogRow] = msgspec.field(default_factory=list)

    def forget(self, person: SubjectContext) -> None:
        """Keep no row of this person."""
        self.rows = [row for row in self.rows if row.subject != person.subject]
