"""Migrations of the desk's database, in Alembic; `dashboard.database.migrate` runs them."""
