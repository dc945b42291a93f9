"""Tables of the pages for planning and privacy: dry runs, statements of noise, and results of audits."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, String, Table, Text

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

noises = Table(
    "noises",  # each statement of noise that a gateway has made, by the table of its records
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("epsilon_millionths", BigInteger, primary_key=True),
    Column("contacts_max", BigInteger, primary_key=True),
    Column("variance", Float, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
)

audits = Table(
    "audits",  # the newest result of `wayside privacy audit` of each gateway
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("account", String(64), nullable=False),
    Column("content", Text, nullable=False),  # JSON
)

gateway_settings = Table(
    "gateway_settings",  # that the desk wants a gateway to have
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("text", Text, nullable=False),  # TOML
    Column("at_ms", BigInteger, nullable=False),
    Column("account", String(64), nullable=False),
)

programme = Table(
    "programme",  # each saved state; the newest counts
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("account", String(64), nullable=False),
    Column("note", Text, nullable=False),
    Column("budget_minor", BigInteger),  # none: no bound
    Column("from_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
)
