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
    int(file.name[:4])
    for file in resources.files("gateway.adapters.store").joinpath("schema").iterdir()
    if file.name.endswith(".sql") and not file.name.endswith(database.DOWN)
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


# --- one version back ----------------------------------------------------------------------------------------


NEXT = NUMBERS[-1] + 1
FORWARD = "CREATE TABLE later (name TEXT PRIMARY KEY) STRICT; ALTER TABLE meta ADD COLUMN more TEXT;"
BACK = "DROP TABLE later; ALTER TABLE meta DROP COLUMN more;"


def newer(monkeypatch: pytest.MonkeyPatch, *back: str) -> None:
    """A newer program, with a schema file more for each way back."""
    scripts = database._scripts()
    more = [
        (NEXT + at, FORWARD.replace("later", f"later{at or ''}").replace("more", f"more{at or ''}"), one) for at, one in enumerate(back)
    ]
    monkeypatch.setattr(database, "_scripts", lambda: [*scripts, *more])


def test_every_schema_file_after_the_first_version_has_its_way_back() -> None:
    assert [number for number, _, back in database._scripts() if not back and number > 19] == []


def test_an_older_program_undoes_the_schema_of_a_newer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_database(tmp_path / "a.db", KEY, StoreError)
    made = schema_of(first)
    first.execute("INSERT INTO meta VALUES ('kept', 7)")
    first.close()
    for backs in ((BACK,), (BACK, BACK.replace("later", "later1").replace("more", "more1"))):
        with monkeypatch.context() as patched:
            newer(patched, *backs)
            opened = open_database(tmp_path / "a.db", KEY, StoreError)
            assert int(opened.pragma("user_version")) == NUMBERS[-1] + len(backs)
            opened.execute("INSERT INTO later VALUES ('new')")
            opened.close()
        back = open_database(tmp_path / "a.db", KEY, StoreError)
        assert schema_of(back) == made
        assert int(back.pragma("user_version")) == NUMBERS[-1]
        assert back.execute("SELECT value FROM meta WHERE name = 'kept'").fetchone() == (7,)
        assert back.execute("SELECT count(*) FROM ways_back").fetchone() == (0,)
        back.close()


def test_without_a_way_back_a_newer_schema_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        newer(patched, "", BACK.replace("later", "later1").replace("more", "more1"))
        open_database(tmp_path / "a.db", KEY, StoreError).close()
    with pytest.raises(StoreError, match=rf"has schema {NEXT + 1}, this program knows {NUMBERS[-1]}: install the newer version again"):
        open_database(tmp_path / "a.db", KEY, StoreError)


def test_a_new_file_has_small_pages_and_an_older_one_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = open_database(tmp_path / "a.db", KEY, StoreError)
    assert int(made.pragma("page_size")) == database.PAGE_BYTES
    made.close()
    monkeypatch.setattr(database, "PAGE_BYTES", 4_096)
    kept = open_database(tmp_path / "a.db", KEY, StoreError)
    assert int(kept.pragma("page_size")) < 4_096
    kept.close()
