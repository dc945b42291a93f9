"""How rows lie in the database: dictionaries, contexts that wait, rows by day, and the bytes that a visit and a fact write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.store.retention import OUTDATED
from gateway.adapters.store.words import BYTES_MAX, Words
from gateway.commands.bench import flash, pages, street
from gateway.config import load_config
from gateway.core.context import SubjectContext
from tests.core.test_engine_learning import Recorded, gateway_of, site
from tests.core.test_remembering import visit
from tests.kit.testbed import DAY_MS, HOUR_MS, Gateway, Phone

STREET = Path("deploy/worlds/street/gw-a.toml")
WORDS_SQL = "CREATE TABLE words (number INTEGER PRIMARY KEY, body BLOB NOT NULL)"


def dictionaries() -> tuple[apsw.Connection, Words]:
    database = apsw.Connection(":memory:")
    database.execute(WORDS_SQL)
    return database, Words(database)


# --- dictionaries ----------------------------------------------------------------------------------------------


@given(rows=st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=40)), max_size=8))
def test_each_row_is_read_as_it_was_written_by_any_reader(rows: list[tuple[bytes, bytes]]) -> None:
    database, words = dictionaries()
    packed = [words.packed(content, dictionary) for content, dictionary in rows]
    later = Words(database)
    assert [later.unpacked(body) for body in packed] == [content for content, _ in rows]
    assert database.execute("SELECT count(*) FROM words").fetchone() == (len({dictionary for _, dictionary in rows}),)


def test_a_dictionary_saves_its_own_bytes_in_each_row() -> None:
    _, words = dictionaries()
    content = bytes(range(200))
    assert len(words.packed(content, b"")) > 200
    assert len(words.packed(content, content)) < 20
    assert words.unpacked(words.packed(content, bytes(2 * BYTES_MAX) + content)) == content, "the end of a long one is used"


def test_a_dictionary_of_a_transaction_that_failed_is_written_again() -> None:
    database, words = dictionaries()
    database.execute("BEGIN")
    words.packed(b"row", b"dictionary")
    database.execute("ROLLBACK")
    words.forget()
    body = words.packed(b"row", b"dictionary")
    assert Words(database).unpacked(body) == b"row"
    database.execute("DELETE FROM words")
    with pytest.raises(KeyError):
        Words(database).unpacked(body)


def test_no_dictionary_names_a_person(tmp_path: Path) -> None:
    gateway = gateway_of(tmp_path, site(holdout=0.0))
    phone = Phone("phone-4711-of-ada")
    run = Recorded(gateway)
    gateway.store.expect(gateway.site, "m-1")
    run.apply(phone.consent())
    made = run.visit(phone)
    (subject,) = gateway.store.people.subjects()
    stored = b"".join(body for (body,) in gateway.store._db.execute("SELECT body FROM words"))
    assert b"tea" in stored
    assert b"learned" in stored
    for name in (phone.device, subject, made.id, made.zone):
        assert name.encode() not in stored, name
    gateway.close()


# --- contexts that wait ------------------------------------------------------------------------------------------


def stored(gateway: Gateway, subject: str) -> SubjectContext:
    with gateway.reader() as reader:
        person = reader.person(subject)
    assert person is not None
    return person


def test_counts_of_silent_moments_wait_and_answers_do_not(tmp_path: Path) -> None:
    gateway = gateway_of(tmp_path, site(holdout=0.0, contact_cost_minor=1e9))
    phone, run = Phone(), Recorded(gateway)
    run.apply(phone.consent())
    (subject,) = gateway.store.people.subjects()
    assert run.visit(phone).offer is None
    here = gateway.store.context(subject)
    assert here is not None
    assert (here.learned.moments, stored(gateway, subject).learned.moments) == (1.0, 0.0)
    gateway.store.people.cache.clear()
    assert gateway.store.context(subject) == here, "a full cache loses nothing"
    gateway.store.save_heard(gateway.state.visits)
    assert stored(gateway, subject).learned.moments == 1.0
    run.visit(phone)
    gateway.apply(phone.consent(change=2))
    assert stored(gateway, subject).learned.moments == 2.0, "the next commit of the person takes them along"
    run.visit(phone)
    gateway.apply(phone.withdrawal())
    gateway.store.save_heard(gateway.state.visits)
    assert gateway.store.context(subject) is None
    assert gateway.rows("contexts") == []
    gateway.close()


# --- rows by day ---------------------------------------------------------------------------------------------------


def test_the_rows_of_a_person_are_found_and_deleted_on_all_days(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, synced=False)
    phone, other = Phone(), Phone("phone-0002")
    gateway.apply(phone.consent(), other.consent())
    for _ in range(3):
        for one in (phone, other):
            visit(gateway, one)
        gateway.clock.advance(40 * HOUR_MS)
    subject = gateway.state.people.identities[phone.device]
    with gateway.reader() as reader:
        visits, facts = list(reader.visits(subject)), list(reader.history(subject))
    assert len({one.left_ms // DAY_MS for one in visits}) == len(visits) == 3
    assert [one.number for one in facts] == list(range(1, len(facts) + 1))
    before = len(gateway.rows("history"))
    gateway.apply(phone.withdrawal())
    assert {row[0] for table in ("visits", "history") for row in gateway.rows(table)} == {gateway.state.people.identities[other.device]}
    assert len(gateway.rows("history")) == before - len(facts)
    gateway.close()


@pytest.mark.parametrize("table", sorted(OUTDATED))
def test_old_rows_are_found_without_a_look_at_the_others(tmp_path: Path, table: str) -> None:
    gateway = Gateway(tmp_path)
    values = {"cut_ms": 1, "set_ms": 0}
    plan = gateway.store._db.execute(f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {OUTDATED[table].where}", values)  # noqa: S608 - names of tables
    steps = [str(row[3]) for row in plan if row[3].startswith(("SCAN", "SEARCH"))]
    assert steps[0].startswith(f"SEARCH {table}"), steps
    gateway.close()


# --- bytes -----------------------------------------------------------------------------------------------------------


def test_a_visit_and_a_fact_write_few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes of system calls, which no load of the machine changes; the ceilings are a fifth above the figures."""
    small: dict[str, Any] = {"PEOPLE": 10, "VISITS": 20, "FACTS": 100, "STANDING_S": 20}
    for name, number in small.items():
        monkeypatch.setattr(flash, name, number)
    found = {name: figures[0] for name, figures in flash.written(load_config(STREET, street.SETTINGS)).items()}
    ceilings = {"visit": 19_500, "fact alone": 2_900, "fact in batches of 100": 500}
    assert {name: found[name] for name in ceilings if found[name] > ceilings[name]} == {}


def test_every_page_of_a_visit_has_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flash, "PEOPLE", 5)
    monkeypatch.setattr(pages, "VISITS", 5)
    found = pages.pages(load_config(STREET, street.SETTINGS))
    of_tables, of_commits = found["flash, pages of a visit"], found["flash, pages of a commit"]
    assert {"decisions", "presences", "visits", "history"} <= of_tables.keys()
    assert of_tables.get("freed", [0.0])[0] < 1.0
    assert {"left"} <= of_commits.keys()
    assert all(count > 0 for (count,) in of_commits.values())
