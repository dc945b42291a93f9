"""Numbered schema files, each applied once and in order."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import apsw

from gateway.adapters.store.database import open_database
from gateway.core.ports import StoreError
from tests.kit.testbed import KEY

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
    database = open_database(tmp_path / "a.db", KEY, StoreError)
    tables = dict(database.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'"))
    assert len(tables) >= 8
    assert [name for name, strict in tables.items() if not strict] == []
    database.close()


def test_a_commit_survives_a_power_cut_by_these_settings(tmp_path: Path) -> None:
    """synchronous=FULL in WAL mode syncs the log at each commit (sqlite.org/pragma.html#pragma_synchronous); deleted bytes are wiped."""
    database = open_database(tmp_path / "a.db", KEY, StoreError)
    found = {name: str(database.pragma(name)) for name in ("journal_mode", "synchronous", "secure_delete", "cipher")}
    assert found == {"journal_mode": "wal", "synchronous": "2", "secure_delete": "1", "cipher": "chacha20"}
    database.close()
