"""Tables in SQLAlchemy Core, without dialect, so that both SQLite and PostgreSQL can hold them.

`records` keeps the id and a digest of the content of every stored record, so that a repeated record is
recognised; `hours`, `contacts`, `control`, `visitors` and `health` keep the numbers, a row for each count of a record. `catalogue`
has the zones and offers of each gateway, `quarantined` the records that no figure counts, with the rows that
accepting one inserts. Keys include the gateway, so no gateway can use or probe the ids of another. Times are milliseconds, hence BIGINT.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKeyConstraint, Index, LargeBinary, MetaData, String, Table, Text

ALL_ZONES = "all zones"
"""In `contacts`, the zone of a count of all zones of an offer; no id has a space."""
CONTROL_ITEMS = ("answers", "distance")
"""In `control`: the number of answers, and the sum of the distances from the middle of the scale."""

metadata = MetaData()

gateways = Table(
    "gateways",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("last_seen_ms", BigInteger),  # of the last batch; none before the first
    # The newest health record, so that pages of the fleet read one row for each gateway.
    Column("window_start_ms", BigInteger),
    Column("window_ms", BigInteger),
    Column("backlog", BigInteger),
    Column("demonstration", Boolean),
)

alarms = Table(
    "alarms",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("since_ms", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("sent_ms", BigInteger),  # none: not sent to the webhook yet
    Column("account", String(64), nullable=False),  # that has acknowledged it; empty: none has
    Column("acknowledged_ms", BigInteger),
)

batches = Table(
    "batches",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("batch", String(128), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)

records = Table(
    "records",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)


def _of_record() -> list[ForeignKeyConstraint]:
    return [ForeignKeyConstraint(["gateway", "id"], ["records.gateway", "records.id"])]


def _counts(name: str, *columns: Column[Any], indexed: tuple[str, ...] = ()) -> Table:
    """A table of noised counts: of which record, `columns` of what, period, value and variance of the noise."""
    return Table(
        name,
        metadata,
        Column("gateway", String(64), primary_key=True),
        Column("id", String(128), primary_key=True),
        *columns,
        Column("window_start_ms", BigInteger, nullable=False),
        Column("window_ms", BigInteger, nullable=False),
        Column("count", BigInteger, nullable=False),
        Column("variance", Float, nullable=False),
        *_of_record(),
        Index(f"{name}_by_window", "window_start_ms"),
        *(Index(f"{name}_by_{column}", column, "window_start_ms") for column in indexed),
    )


hours = _counts("hours", Column("zone", String(64), primary_key=True), indexed=("gateway",))
contacts = _counts(
    "contacts",
    Column("zone", String(64), primary_key=True),
    Column("outcome", String(16), primary_key=True),
    Column("offer", String(64), nullable=False),
    indexed=("gateway", "offer"),
)
visitors = _counts("visitors", Column("zone", String(64), primary_key=True))
control = _counts("control", Column("item", String(16), primary_key=True))

health = Table(
    "health",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("window_start_ms", BigInteger, nullable=False),
    Column("window_ms", BigInteger, nullable=False),
    Column("backlog", BigInteger, nullable=False),
    Column("demonstration", Boolean, nullable=False),
    *_of_record(),
    Index("health_by_window", "gateway", "window_start_ms"),
)

catalogue = Table(
    "catalogue",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("kind", String(8), primary_key=True),  # zone or offer
    Column("name", String(64), primary_key=True),
)

quarantined = Table(
    "quarantined",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("since_ms", BigInteger, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("content", Text, nullable=False),  # JSON: table -> rows
    *_of_record(),
    Index("quarantined_by_time", "since_ms"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role", String(32), nullable=False),
    Column("password", Text, nullable=False),  # argon2id
    Column("made_ms", BigInteger, nullable=False),
    Column("disabled", Boolean, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("kind", String(8), nullable=False),  # browser or program
    Column("seen_ms", BigInteger, nullable=False),
    Column("ends_ms", BigInteger, nullable=False),
    Index("sessions_by_account", "account"),
)

links = Table(
    "links",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("account", String(64), nullable=False),  # empty: the name is chosen with the password
    Column("role", String(32), nullable=False),
    Column("ends_ms", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("account", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
)

versions = Table(
    "versions",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("author", String(64), nullable=False),
    Column("note", Text, nullable=False),
    Column("text", Text, nullable=False),  # the campaign in TOML
)

sign_offs = Table(
    "sign_offs",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("account", String(64), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("may_offend", Boolean, nullable=False),
    Column("may_harm", Boolean, nullable=False),
    Column("uses_misfortune", Boolean, nullable=False),
)

bundles = Table(
    "bundles",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("version", BigInteger, nullable=False),  # of the bundle in its series
    Column("campaign", BigInteger, nullable=False),  # number of the version of the campaign
    Column("halted", Text, nullable=False),  # the reason, empty while it may be published
    Column("content", LargeBinary, nullable=False),
)

desired = Table(
    "desired",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("serial", BigInteger, nullable=False),
    Column("sha256", String(64)),  # none: the gateway keeps its bundle
    Column("before", String(64)),  # the bundle before, for a halt
    Column("at_ms", BigInteger, nullable=False),
)

reported = Table(
    "reported",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("serial", BigInteger, nullable=False),
    Column("serial_at_ms", BigInteger, nullable=False),
    Column("fault", Text, nullable=False),
    Column("bundle", String(128), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("stopped", Text, nullable=False),  # JSON
    Column("zones", Text, nullable=False),  # JSON
    Column("condition", Text, nullable=False),  # JSON; empty if the gateway states none
    Column("settings", String(64), nullable=False),  # SHA-256 of the desk's settings in use
    Column("at_ms", BigInteger, nullable=False),
)

stops = Table(
    "stops",
    metadata,
    Column("offer", String(64), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("account", String(64), nullable=False),
)
