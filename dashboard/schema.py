"""Tables in SQLAlchemy Core, for SQLite and PostgreSQL.

`records` keeps the id and a digest of the content of every stored record, so that a repeated record is
recognised; `hours`, `contacts`, `control`, `visitors` and `health` keep the numbers, a row for each count of a record. `sums` has the
sums over all gateways, written in the same transaction (`dashboard.rollups`). `catalogue`
has the zones and offers of each gateway, `quarantined` the records that no figure counts, with the rows that
accepting one inserts. Keys begin with the gateway, so no gateway can use or probe the ids of another, and a database that is
spread over several machines by gateway keeps each key on one machine. Times are milliseconds, hence BIGINT.

PostgreSQL partitions the numbers by month and hash of the gateway, and ids by hash of the gateway (`dashboard.partitions`).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, LargeBinary, MetaData, String, Table, Text

ALL_ZONES = "all zones"
"""In `contacts`, the zone of a count of all zones of an offer; no id has a space."""
CONTROL_ITEMS = ("answers", "distance")
"""In `control`: the number of answers, and the sum of the distances from the middle of the scale."""
BY_GATEWAY: dict[str, Any] = {"sqlite_with_rowid": False, "postgresql_partition_by": "HASH (gateway)"}
BY_TIME: dict[str, Any] = {"sqlite_with_rowid": False, "postgresql_partition_by": "RANGE (window_start_ms)"}

metadata = MetaData()

gateways = Table(
    "gateways",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("group", String(64), nullable=False, server_default=""),  # that an operator has chosen
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
    **BY_GATEWAY,
)

records = Table(
    "records",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    **BY_GATEWAY,
)


def _counts(name: str, *columns: Column[Any]) -> Table:
    """A table of noised counts: period, `columns` of what, of which record, value and variance of the noise.

    A gateway has one record for each period and offer, so a row needs no id in its key, and the rows of a gateway lie in the order of time.
    """
    return Table(
        name,
        metadata,
        Column("gateway", String(64), primary_key=True),
        Column("window_start_ms", BigInteger, primary_key=True),
        *columns,
        Column("id", String(128), nullable=False),
        Column("window_ms", BigInteger, nullable=False),
        Column("count", BigInteger, nullable=False),
        Column("variance", Float, nullable=False),
        **BY_TIME,
    )


hours = _counts("hours", Column("zone", String(64), primary_key=True))
contacts = _counts(
    "contacts",
    Column("offer", String(64), primary_key=True),
    Column("zone", String(64), primary_key=True),
    Column("outcome", String(16), primary_key=True),
)
visitors = _counts("visitors", Column("zone", String(64), primary_key=True))
control = _counts("control", Column("item", String(16), primary_key=True))

health = Table(
    "health",
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("window_start_ms", BigInteger, primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("window_ms", BigInteger, nullable=False),
    Column("backlog", BigInteger, nullable=False),
    Column("demonstration", Boolean, nullable=False),
    **BY_TIME,
)

joined = Table(
    "joined",  # for each service day of a gateway: by how much its outcomes correct the offers sent of its windows
    metadata,
    Column("gateway", String(64), primary_key=True),
    Column("window_start_ms", BigInteger, primary_key=True),
    Column("window_ms", BigInteger, primary_key=True),
    Column("zone", String(64), primary_key=True),  # empty: of all zones
    Column("count", Float, nullable=False),
    Column("variance", Float, nullable=False),
    **BY_TIME,
)

sums = Table(
    "sums",
    metadata,
    Column("kind", String(8), primary_key=True),  # of dashboard.rollups
    Column("window_start_ms", BigInteger, primary_key=True),  # EVER: of all times
    Column("window_ms", BigInteger, primary_key=True),
    Column("offer", String(64), primary_key=True),  # this and the next two are empty in a sum over all
    Column("zone", String(64), primary_key=True),
    Column("outcome", String(16), primary_key=True),
    Column("count", Float, nullable=False),
    Column("variance", Float, nullable=False),
    Column("cells", BigInteger, nullable=False),  # the number of counts
    sqlite_with_rowid=False,
)
EVER = -1

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
    Index("quarantined_by_time", "since_ms"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role", String(32), nullable=False),
    Column("password", Text, nullable=False),  # argon2id; empty: none matches
    Column("made_ms", BigInteger, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("subject", String(512), unique=True),  # of a provider; none for an account with a password
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
