"""The export as one SQLite file with typed tables and foreign keys, written by sqlite-utils (Apache-2.0).

Tables: `export` (one row: schema, columns of the scored values, digest of the definitions, time zone, time of the export, first and last
time in it), `subjects`, `visits`, `decisions`, `features` (the scored values of a proposed offer), `answers`, `purchases`, `lines`,
`facts` (the history log, each body as JSON). The views `interactions` and `baskets` have the columns of the CSV tables. The file is not
encrypted. sqlite-utils is imported here only, and only when a file is written: it is in the extra `export`.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.build_store import SetupError
from gateway.commands.history.csv_tables import feature_columns, lines_of
from gateway.commands.history.files import private_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlite_utils import Database

    from gateway.commands.history.rows import Description, PersonRows

FILE = "history.sqlite"
BASKETS = """
SELECT subject, purchases.at_ms, purchases.id AS basket, item, quantity, lines.amount_minor
FROM lines JOIN purchases ON purchases.id = lines.purchase JOIN decisions ON decisions.id = purchases.decision
"""


def interactions_view(columns: tuple[str, ...]) -> str:
    """The query of the view `interactions`, with the columns of scored values."""
    none = ", ".join(f"NULL AS {name}" for name in columns)
    return f"""
SELECT subject, entered_ms AS at_ms, 'visit' AS what, zone, kind, NULL AS offer, NULL AS decision, NULL AS amount_minor,
  (left_ms - entered_ms) / 1000.0 AS dwell_s, confidence, NULL AS propensity, NULL AS p_select, NULL AS facts,
  NULL AS arm, NULL AS intended, NULL AS policy, {none}
FROM visits
UNION ALL
SELECT subject, at_ms, iif(offer IS NULL, 'silent', 'proposed'), zone, kind, offer, id, NULL,
  NULL, NULL, propensity, p_select, facts, nullif(arm, ''), intended, policy, {", ".join(columns)}
FROM decisions LEFT JOIN features ON features.decision = decisions.id
UNION ALL
SELECT subject, answers.at_ms, answers.kind, decisions.zone, decisions.kind, offer, decisions.id, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, {none}
FROM answers JOIN decisions ON decisions.id = answers.decision
UNION ALL
SELECT subject, purchases.at_ms, 'purchase', purchases.zone, purchases.kind, offer, decisions.id, amount_minor,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, {none}
FROM purchases JOIN decisions ON decisions.id = purchases.decision
"""  # noqa: S608 - names of columns of the schema


def write_sqlite(people: Iterable[PersonRows], description: Description, folder: Path, now_ms: int) -> tuple[Path, ...]:
    """Write the file into `folder`; returns its path. Raises SetupError without sqlite-utils, and OSError."""
    try:
        from sqlite_utils import Database  # noqa: PLC0415 - optional
    except ImportError:
        raise SetupError(
            "an SQLite file needs sqlite-utils: install it with `pip install 'wayside[export]'`, or use --format csv"
        ) from None
    path, columns = folder / FILE, feature_columns(description)
    with private_file(path) as draft, closing(Database(draft, execute_plugins=False, strict=True)) as database:
        database.conn.execute("PRAGMA journal_mode = MEMORY")  # no journal file beside the draft, which is deleted after a failure
        with database.atomic():
            _create(database, columns)
            for person in people:
                _insert(database, person, columns)
            _describe(database, description, now_ms)
    return (path,)


def _create(database: Database, columns: tuple[str, ...]) -> None:
    """The empty tables, and the views."""
    one: dict[str, Any] = dict.fromkeys(("schema", "columns", "digest", "timezone"), str)
    one |= {"exported_at_ms": int, "first_at_ms": int, "last_at_ms": int}
    database.table("export").create(one, not_null={"schema", "columns", "digest", "timezone", "exported_at_ms"})
    database.table("subjects").create({"id": str}, pk="id")
    database.table("visits").create(
        {"id": int, "subject": str, "entered_ms": int, "left_ms": int, "zone": str, "kind": str, "confidence": float},
        pk="id",
        not_null={"subject", "entered_ms", "left_ms", "zone", "confidence"},
        foreign_keys=[("subject", "subjects", "id")],
    )
    database.table("decisions").create(
        {"id": str, "subject": str, "at_ms": int, "zone": str, "offer": str, "kind": str, "propensity": float, "p_select": float}
        | {"facts": int, "arm": str, "intended": str, "policy": str},
        pk="id",
        not_null={"subject", "at_ms", "zone", "p_select"},
        foreign_keys=[("subject", "subjects", "id")],
    )
    database.table("features").create(
        {"decision": str, **dict.fromkeys(columns, float)}, pk="decision", foreign_keys=[("decision", "decisions", "id")]
    )
    database.table("answers").create(
        {"id": int, "decision": str, "at_ms": int, "kind": str},
        pk="id",
        not_null={"decision", "at_ms", "kind"},
        foreign_keys=[("decision", "decisions", "id")],
    )
    database.table("purchases").create(
        {"id": str, "decision": str, "at_ms": int, "zone": str, "kind": str, "amount_minor": int},
        pk="id",
        not_null={"decision", "at_ms", "zone", "kind"},
        foreign_keys=[("decision", "decisions", "id")],
    )
    database.table("lines").create(
        {"id": int, "purchase": str, "item": str, "quantity": float, "amount_minor": int},
        pk="id",
        not_null={"purchase", "item", "quantity"},
        foreign_keys=[("purchase", "purchases", "id")],
    )
    database.table("facts").create(
        {"subject": str, "number": int, "at_ms": int, "body": str},
        pk=("subject", "number"),
        not_null={"subject", "number", "at_ms", "body"},
        foreign_keys=[("subject", "subjects", "id")],
    )
    database.create_view("interactions", interactions_view(columns))
    database.create_view("baskets", BASKETS)


def _insert(database: Database, person: PersonRows, columns: tuple[str, ...]) -> None:
    """The rows of one person."""
    database.table("subjects").insert({"id": person.subject})
    database.table("visits").insert_all({"subject": person.subject, **visit._asdict()} for visit in person.visits)
    decisions = [{"subject": person.subject, **decision._asdict()} for decision in person.decisions]
    scored = [(decision["id"], decision.pop("features")) for decision in decisions]
    database.table("decisions").insert_all(decisions)
    database.table("features").insert_all(
        {"decision": decision, **dict(zip(columns, values, strict=True))} for decision, values in scored if values is not None
    )
    database.table("answers").insert_all(answer._asdict() for answer in person.answers)
    purchases = [(purchase, purchase._asdict()) for purchase in person.purchases]
    database.table("purchases").insert_all({name: row[name] for name in row if name != "items"} for _, row in purchases)
    database.table("lines").insert_all(
        {"purchase": purchase.id, "item": line.code, "quantity": line.quantity, "amount_minor": line.amount_minor}
        for purchase, _ in purchases
        for line in lines_of(purchase)
    )
    database.table("facts").insert_all(
        {"subject": row.subject, "number": row.number, "at_ms": row.at_ms, "body": msgspec.json.encode(row.body).decode()}
        for row in person.facts
    )


def _describe(database: Database, description: Description, now_ms: int) -> None:
    """The row of the table `export`."""
    ((first_ms, last_ms),) = database.conn.execute("SELECT min(at_ms), max(at_ms) FROM interactions")
    stated = {
        "schema": msgspec.json.encode(description.schema).decode(),
        "columns": msgspec.json.encode(description.columns).decode(),
        "digest": description.digest,
        "timezone": description.timezone,
    }
    database.table("export").insert(stated | {"exported_at_ms": now_ms, "first_at_ms": first_ms, "last_at_ms": last_ms})
