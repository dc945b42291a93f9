"""Store of the topic filters of all starts: a filter that left the config is unsubscribed, because the broker keeps the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gateway.adapters.store.table import Table
from gateway.core import limits

if TYPE_CHECKING:
    from collections.abc import Sequence


class FiltersTable(Table):
    """A row of `meta`: a JSON list, the newest filters last."""

    def former(self) -> list[str]:
        """The filters of all starts so far, at most FILTERS_KEPT_MAX."""
        return msgspec.json.decode(self.one("SELECT value FROM meta WHERE name = 'filters'") or b"[]", type=list[str])

    def keep(self, filters: Sequence[str]) -> None:
        """Add the filters of this start."""
        kept = list(dict.fromkeys((*(one for one in self.former() if one not in filters), *filters)))[-limits.FILTERS_KEPT_MAX :]
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('filters', ?)", (msgspec.json.encode(kept),))
