"""Looking into the database beside its gateway: nothing is held up, written or migrated."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from gateway.adapters.store import Store
from gateway.adapters.store.reader import Reader
from gateway.core.ports import StoreError
from tests.core.test_engine import enter
from tests.kit.testbed import KEY, Gateway, Phone, purchase


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


def test_a_reader_sees_the_last_commit_of_a_gateway_that_runs(tmp_path: Path, path: Path) -> None:
    gateway = Gateway(tmp_path, make_store=lambda path, key: Store(path, key, exclusive=True))
    phone = Phone()
    gateway.apply(phone.consent())
    with gateway.reader() as reader, reader.snapshot():
        before = reader.learnable(gateway.clock.now_ms())
        (decision,) = enter(gateway, phone).decisions.made
        assert before == [gateway.state.people.identities[phone.device]]
        assert list(reader.decisions(before[0])) == [], "what is read is of one moment"
        gateway.apply(phone.answer(decision.id))
    with gateway.reader() as reader:
        assert list(reader.decisions(before[0])) == [decision]
        assert [(fact.kind, fact.detail, fact.decision) for fact in reader.offer_facts(before[0])] == [("answer", "accepted", decision.id)]
        assert reader.decision(decision.id) == (decision, "accepted")
        assert reader.latest_decisions(5) == [(decision.id, "cafe", "chosen", "flat-white")]
    gateway.close()


def test_the_newest_decisions_are_found_without_reading_all(tmp_path: Path, path: Path) -> None:
    """Half a year of decisions is far more than a Pi reads in a second."""
    Gateway(tmp_path).close()
    reader = Reader(path, KEY)
    asked: list[str] = []
    reader._db.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: asked.append(event["sql"]))
    assert reader.latest_decisions(5) == []
    reader._db.trace_v2(0, None)
    (sql,) = asked
    assert [row[3] for row in reader._db.execute(f"EXPLAIN QUERY PLAN {sql}", (5,))] == [
        "SCAN decisions"  # from the last one back, without a sort
    ]
    reader.close()


def test_a_reader_needs_no_gateway(tmp_path: Path, path: Path) -> None:
    gateway = Gateway(tmp_path)
    gateway.apply(Phone().consent())
    now_ms = gateway.clock.now_ms()
    gateway.close()
    before = path.read_bytes()
    reader = Reader(path, KEY)
    assert len(reader.learnable(now_ms)) == 1
    reader.close()
    assert path.read_bytes() == before


def test_a_reader_writes_nothing(tmp_path: Path, path: Path) -> None:
    Gateway(tmp_path).close()
    reader = Reader(path, KEY)
    with pytest.raises(Exception, match="readonly"):
        reader._db.execute("DELETE FROM meta")
    reader.close()


def test_a_reader_does_not_migrate(tmp_path: Path, path: Path) -> None:
    gateway = Gateway(tmp_path)
    gateway.store._db.pragma("user_version", 99)
    gateway.close()
    with pytest.raises(StoreError, match=r"has schema 99, this program reads \d+: use the version that the gateway runs"):
        Reader(path, KEY)


def test_a_wrong_key_and_no_file_are_told(tmp_path: Path, path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        Reader(path, KEY)
    Gateway(tmp_path).close()
    with pytest.raises(StoreError, match="does not open with this key"):
        Reader(path, bytes(32))


def test_who_did_not_say_yes_to_learning_is_not_in_it(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    phones = [Phone(f"phone-{number:04}") for number in range(3)]
    now_ms = gateway.clock.now_ms()
    gateway.apply(
        phones[0].consent(("presence", "offers", "measurement")),
        phones[1].consent(("learning",), expires_at_ms=now_ms + 1000),
        phones[2].consent(("learning",)),
    )
    with gateway.reader() as reader:
        assert len(reader.learnable(now_ms)) == 2
        assert reader.learnable(now_ms + 1000) == [gateway.state.people.identities[phones[2].device]]
    gateway.close()


def test_a_purchase_belongs_to_whose_offer_was_handed_in(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    phone = Phone()
    gateway.apply(phone.consent())
    (decision,) = enter(gateway, phone).decisions.made
    gateway.apply(purchase("till-cafe", 1, 380, category="coffee_house", decision=decision.id), purchase("till-cafe", 2))
    with gateway.reader() as reader:
        (fact,) = reader.offer_facts(decision.subject)
    assert (fact.kind, fact.detail, fact.amount_minor, fact.zone, fact.decision) == ("purchase", "coffee_house", 380, "cafe", decision.id)
    gateway.close()
