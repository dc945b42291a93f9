"""The tables of the first release. Each later change is a further migration; this one may change until the release."""

from __future__ import annotations

from alembic import op

from dashboard.partitions import make_hash_partitions
from dashboard.schema import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables, and the partitions that do not depend on the time."""
    metadata.create_all(op.get_bind(), checkfirst=False)
    make_hash_partitions(op.get_bind())
