"""Numbered schema files, each applied once and in order."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import apsw
import msgspec
import pytest

from gateway.adapters.store import database
from gateway.adapters.store.database import open_database
from gateway.adapters.store.decisions import DecisionsTable
from gateway.core.policy.decision import Decision
from gateway.core.policy.gates import CHOSEN
from gateway.core.ports import StoreError
from tests.kit.testbed import KEY

MOVED = 23  # the schema file that moves rows
NUMBERS = sorted(
    int(file.name[:4]) for file in resources.files("gateway.adapters.store").joinpath("schema").iterdir() if file.name.endswith(".sql")
)


def schema_of(database: apsw.Connection) -> list[tuple[str, str]]:
    return [(str(name), str(sql)) for name, sql in database.execute("SELECT name, sql FROM sqlite_schema ORDER BY name")]


def test_files_are_numbered_without_a_gap() -> None:
    assert list(range(1, len(NUMBERS) + 1)) == NUMBERS


def test_a_new_file_has_the_newest_schema_and_opening_again_changes_nothing(tmp_path: Path) -> None:
    first = open_database(tmp_path / "a.db", KEY, StoreError)
    assert int(first.pragma("user_version")) == NUMBERS[-1]
    made = schema_of(first)
    first.close()
    second = open_database(tmp_path / "a.db", KEY, StoreError)
    assert schema_of(second) == made
    assert int(second.pragma("user_version")) == NUMBERS[-1]
    second.close()


def test_every_table_is_strict(tmp_path: Path) -> None:
    opened = open_database(tmp_path / "a.db", KEY, StoreError)
    tables = dict(opened.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'"))
    assert len(tables) >= 8
    assert [name for name, strict in tables.items() if not strict] == []
    opened.close()


def test_a_commit_survives_a_power_cut_by_these_settings(tmp_path: Path) -> None:
    """synchronous=FULL in WAL mode syncs the log at each commit (sqlite.org/pragma.html#pragma_synchronous); deleted bytes are wiped."""
    opened = open_database(tmp_path / "a.db", KEY, StoreError)
    found = {name: str(opened.pragma(name)) for name in ("journal_mode", "synchronous", "secure_delete", "cipher")}
    assert found == {"journal_mode": "wal", "synchronous": "2", "secure_delete": "1", "cipher": "chacha20"}
    opened.close()


def test_rows_of_the_version_before_are_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions, facts and learned values are moved to tables of another layout."""
    scripts = database._scripts()
    monkeypatch.setattr(database, "_scripts", lambda: [one for one in scripts if one[0] < MOVED])
    before = open_database(tmp_path / "a.db", KEY, StoreError)
    made = Decision("gw-t.1", "s", "cafe", "entered", 7, "tea", CHOSEN.reason, (), arm="sent", intended="tea", policy="p", seed=5)
    row = ("gw-t.1", "s", "cafe", 7, made.reason, "tea", "accepted", msgspec.msgpack.encode(made), "sent", "tea", "p", 5)
    before.execute("INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    before.execute("INSERT INTO windows VALUES ('gw-t.1', 9, x'00')")
    before.execute("INSERT INTO facts VALUES (x'01', 'answer', 8, 's', 'cafe', 'gw-t.1', 'accepted', NULL, NULL)")
    before.execute("INSERT INTO learned VALUES ('basis', x'02')")
    before.close()
    monkeypatch.setattr(database, "_scripts", lambda: scripts)
    after = open_database(tmp_path / "a.db", KEY, StoreError)
    columns = "id, subject, zone, at_ms, reason, offer, answer, arm, intended, policy, seed"
    assert after.execute(f"SELECT {columns} FROM decisions").fetchall() == [row[:7] + row[8:]]  # noqa: S608 - the columns above
    assert after.execute("SELECT envelope, decision, detail FROM facts").fetchall() == [(b"\x01", "gw-t.1", "accepted")]
    assert after.execute("SELECT key, body FROM learned").fetchall() == [("basis", b"\x02")]
    assert DecisionsTable(after).decision("gw-t.1") == made
    after.execute("DELETE FROM decisions")
    assert after.execute("SELECT * FROM windows").fetchall() == []
    after.close()


def test_a_new_file_has_small_pages_and_an_older_one_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = open_database(tmp_path / "a.db", KEY, StoreError)
    assert int(made.pragma("page_size")) == database.PAGE_BYTES
    made.close()
    monkeypatch.setattr(database, "PAGE_BYTES", 4_096)
    kept = open_database(tmp_path / "a.db", KEY, StoreError)
    assert int(kept.pragma("page_size")) < 4_096
    kept.close()
