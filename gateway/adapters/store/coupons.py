"""Store of the coupons slice: redemptions, under a keyed hash of the decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.adapters.store.table import Hasher, Table
from gateway.core import limits
from gateway.core.types import Redemption

if TYPE_CHECKING:
    import apsw

    from gateway.core.state.coupons import CouponsChanges


class CouponsTable(Table):
    """A redemption stays after a withdrawal without its decision, so that the code cannot be redeemed again."""

    def __init__(self, database: apsw.Connection, hasher: Hasher) -> None:
        """Hash decisions with `hasher`."""
        super().__init__(database)
        self._hasher = hasher

    def redemptions(self, decision: str) -> list[Redemption]:
        """The redemptions of a decision's coupon, the earliest first."""
        sql = "SELECT at_ms, till, sale, gateway, expires_at_ms FROM redemptions WHERE coupon = ?"
        rows = self.rows(sql, (self._hasher.text(decision),))
        return sorted(Redemption(at_ms, till, sale, decision, *rest) for at_ms, till, sale, *rest in rows)

    def open_redemptions(self, gateway: str, now_ms: int) -> list[Redemption]:
        """The redemptions at a gateway's own tills of coupons that have not ended yet, the latest ends first, bounded."""
        sql = (
            "SELECT at_ms, till, sale, decision, gateway, expires_at_ms FROM redemptions "
            "WHERE gateway = ? AND expires_at_ms > ? AND decision IS NOT NULL ORDER BY expires_at_ms DESC LIMIT ?"
        )
        return [Redemption(*row) for row in self.rows(sql, (gateway, now_ms, limits.REDEMPTIONS_REPEATED_MAX))]

    def save(self, changes: CouponsChanges) -> None:
        """Write new redemptions; one that is known already is left as it is."""
        self._db.executemany(
            "INSERT OR IGNORE INTO redemptions VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (self._hasher.text(one.decision), one.till, one.sale, one.at_ms, one.gateway, one.expires_at_ms, one.decision)
                for redemptions in changes.redeemed.values()
                for one in redemptions
            ],
        )

    def forget(self, subject: str) -> None:
        """Remove the person's decisions from the redemptions. Runs before the decisions are deleted."""
        self._db.execute(
            "UPDATE redemptions SET decision = NULL WHERE decision IN (SELECT id FROM decisions WHERE subject = ?)", (subject,)
        )
