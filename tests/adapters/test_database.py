"""Numbered schema files, each applied once and in order."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import apsw
import pytest

from gateway.adapters.store import database
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


def test_a_new_file_has_small_pages_and_an_older_one_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = open_database(tmp_path / "a.db", KEY, StoreError)
    assert int(made.pragma("page_size")) == database.PAGE_BYTES
    made.close()
    monkeypatch.setattr(database, "PAGE_BYTES", 4_096)
    kept = open_database(tmp_path / "a.db", KEY, StoreError)
    assert int(kept.pragma("page_size")) < 4_096
    kept.close()
