"""Run by Alembic for each upgrade, on the connection of `dashboard.database`."""

from __future__ import annotations

from alembic import context

from dashboard.schema_desk import dry_runs

context.configure(connection=context.config.attributes["connection"], target_metadata=dry_runs.metadata)
context.run_migrations()
