"""Tables of the planning pages: dry runs, the programme, settings for gateways, and results of audits."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table, Text

from dashboard.schema import metadata

dry_runs = Table(
    "dry_runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("account", String(64), nullable=False),
    Column("base", BigInteger, nullable=False),  # the version that the draft changes
    Column("note", Text, nullable=False),
    Column("text", Text, nullable=False),  # the draft in TOML
    Column("done", BigInteger, nullable=False),  # cities
    Column("fault", Text, nullable=False),
    Column("result", Text, nullable=False),  # JSON of `wayside-sim trial`, empty until its end
)
