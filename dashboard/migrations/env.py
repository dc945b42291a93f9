"""Run by Alembic for each upgrade, on the connection of `dashboard.database`."""

from __future__ import annotations

from alembic import context

from dashboard.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
