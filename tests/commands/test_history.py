"""`wayside history export`: both forms hold the same rows, only of people who consented to learning, under pseudonyms."""

from __future__ import annotations

import csv
import json
import sqlite3
import stat
import sys
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from gateway.build import build
from gateway.build_store import SetupError
from gateway.commands.history import Exported, Form, Site, write
from gateway.commands.history.csv_tables import BASKETS, INTERACTIONS
from gateway.core.attributes.schema import parse
from gateway.core.types import Purpose
from models.history.mapping import HistoryError
from models.history.reading import History, find_tables, open_history
from tests.commands.terminal import wayside
from tests.core.test_engine import enter
from tests.kit.attributes import COLUMNS, SCHEMA
from tests.kit.bundles import make_bundle, tiny_campaign
from tests.kit.gateways import settings_of, walk_in, write_config
from tests.kit.testbed import DAY_MS, Gateway, Phone, purchase

Rows = list[dict[str, str]]


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    """Three people, two with consent to learning; each came, got an offer, accepted it and paid."""
    made = Gateway(tmp_path)
    learner: tuple[Purpose, ...] = ("presence", "offers", "learning")
    for number, purposes in enumerate((learner, learner[:2], learner)):
        phone = Phone(f"phone-{number:04}")
        made.apply(phone.consent(purposes))
        (decision,) = enter(made, phone).decisions.made
        made.clock.advance(4_000)
        made.apply(phone.answer(decision.id, "shown"))
        made.clock.advance(4_000)
        made.apply(phone.answer(decision.id))
        made.clock.advance(4_000)
        made.apply(purchase("till-cafe", number, 400 + number, category="coffee_house", decision=decision.id))
        made.pass_time(60_000)
        enter(made, phone)  # too soon after the last offer: silence
        made.pass_time(60_000)
    return made


def export_as(gateway: Gateway, folder: Path, form: Form, now_ms: int | None = None) -> Exported:
    with gateway.reader() as reader:
        site = Site({"cafe": "coffee_house"}, gateway.site.plan, "Europe/Berlin")
        return write(reader, site, folder, now_ms or gateway.clock.now_ms(), form)


def export(gateway: Gateway, folder: Path, now_ms: int | None = None) -> tuple[Rows, Rows]:
    export_as(gateway, folder, "csv", now_ms)
    return read(folder / "interactions.csv"), read(folder / "baskets.csv")


def read_export(folder: Path) -> AbstractContextManager[History]:
    """The history as the workstation reads it."""
    tables = find_tables(folder)
    return open_history(interactions=tables["interactions"], baskets=tables["baskets"])


def query(file: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as database:
        return database.execute(sql).fetchall()


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_visit_with_all_that_came_of_it(gateway: Gateway, tmp_path: Path) -> None:
    interactions, baskets = export(gateway, tmp_path / "out")
    assert tuple(interactions[0]) == (*INTERACTIONS, *(f"f_{column}" for column in COLUMNS))
    first = interactions[0]["subject"]
    mine = [row for row in interactions if row["subject"] == first]
    assert [row["what"] for row in mine] == ["visit", "proposed", "shown", "accepted", "purchase", "visit", "silent"]
    assert {row["subject"] for row in interactions} == {row["subject"] for row in baskets}
    assert len({row["subject"] for row in interactions}) == 2
    visit, proposed, shown, accepted, paid, _, silent = mine
    assert (visit["zone"], visit["kind"], float(visit["confidence"]) > 0.9) == ("cafe", "coffee_house", True)
    asked = ("offer", "kind", "propensity", "p_select")
    assert [proposed[name] for name in asked] == ["flat-white", "coffee_house", "0.5", "1.0"]
    assert [silent[name] for name in asked] == ["", "", "", "1.0"]
    assert {row["decision"] for row in (proposed, shown, accepted, paid)} == {proposed["decision"]}
    assert (paid["amount_minor"], paid["kind"]) in (("400", "coffee_house"), ("402", "coffee_house"))
    (basket,) = [row for row in baskets if row["subject"] == first]
    assert tuple(basket) == BASKETS
    assert (basket["item"], basket["quantity"], basket["amount_minor"]) == ("coffee_house", "1.0", paid["amount_minor"])


def test_a_proposal_carries_the_row_that_was_scored(gateway: Gateway, tmp_path: Path) -> None:
    interactions, _ = export(gateway, tmp_path / "out")
    proposed = min((row for row in interactions if row["what"] == "proposed"), key=lambda row: int(row["at_ms"]))
    row = {name: proposed[f"f_{name}"] for name in COLUMNS}
    assert (row["hour"], row["offer_coffee_house"], row["offer_bar"], row["temperature"]) == ("12.0", "1.0", "0.0", "")
    assert not any(value for other in interactions if other["what"] != "proposed" for name, value in other.items() if name.startswith("f_"))


def test_the_table_of_features_is_named_beside_the_rows(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "history.json").write_text('{"features_hash": "of yesterday"}', encoding="utf-8")
    export(gateway, tmp_path / "out")
    stated = json.loads((tmp_path / "out" / "history.json").read_text("utf-8"))
    assert (tuple(stated["columns"]), stated["digest"], stated["timezone"]) == (COLUMNS, gateway.site.plan.digest, "Europe/Berlin")
    assert parse(stated["schema"]) == SCHEMA
    with open_history(interactions=tmp_path / "out" / "interactions.csv") as history:  # as the workstation reads it
        assert history.row_counts_of("interactions").refused == {}
    (tmp_path / "out" / "history.json").write_text('{"features_hash": "of yesterday"}', encoding="utf-8")
    with pytest.raises(HistoryError, match="cannot be read"), open_history(interactions=tmp_path / "out" / "interactions.csv"):
        pass


def test_the_sqlite_file_is_typed_and_its_references_hold(gateway: Gateway, tmp_path: Path) -> None:
    export_as(gateway, tmp_path / "out", "sqlite")
    file = tmp_path / "out" / "history.sqlite"
    tables = ("subjects", "visits", "decisions", "answers", "purchases")
    counts = {name: query(file, f"SELECT count(*) FROM {name}")[0][0] for name in tables}  # noqa: S608 - names from the line above
    assert counts == {"subjects": 2, "visits": 4, "decisions": 4, "answers": 4, "purchases": 2}
    references = [(table, row[2]) for table in counts for row in query(file, f"PRAGMA foreign_key_list({table})")]
    assert references == [("visits", "subjects"), ("decisions", "subjects"), ("answers", "decisions"), ("purchases", "decisions")]
    assert query(file, "PRAGMA foreign_key_check") == []
    assert {row[5] for row in query(file, "PRAGMA table_list") if row[1] in counts} == {1}, "every table is STRICT"
    assert query(file, "SELECT DISTINCT typeof(f_hour), typeof(f_temperature) FROM features") == [("real", "null")]
    ((columns, stated, exported_ms, first_ms, last_ms),) = query(
        file, "SELECT columns, digest, exported_at_ms, first_at_ms, last_at_ms FROM export"
    )
    assert (tuple(json.loads(columns)), stated, exported_ms) == (COLUMNS, gateway.site.plan.digest, gateway.clock.now_ms())
    assert query(file, "SELECT min(at_ms), max(at_ms) FROM interactions") == [(first_ms, last_ms)]


def test_both_forms_hold_the_same_rows(gateway: Gateway, tmp_path: Path) -> None:
    """Each row without the pseudonyms of its export, as DuckDB on the workstation reads it."""
    found = {}
    for form in ("sqlite", "csv"):
        exported = export_as(gateway, tmp_path / form, form)
        with read_export(tmp_path / form) as history:
            assert [counts.refused for counts in history.row_counts] == [{}, {}]
            rows = history.sql("SELECT * EXCLUDE (subject, decision) FROM interactions ORDER BY at_ms, what").fetchall()
            pairs = history.sql("SELECT DISTINCT subject, decision FROM interactions").fetchall()
            bought = history.sql("SELECT at_ms, item, quantity, amount_minor FROM baskets ORDER BY at_ms").fetchall()
        found[form] = (exported.subjects, exported.interactions, rows, len(pairs), bought)
    assert found["sqlite"] == found["csv"]
    assert found["csv"][1] == {"visit": 4, "proposed": 2, "silent": 2, "shown": 2, "accepted": 2, "purchase": 2}


def test_an_sqlite_file_of_other_features_is_refused(gateway: Gateway, tmp_path: Path) -> None:
    export_as(gateway, tmp_path, "sqlite")
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as database, database:
        database.execute("UPDATE export SET columns = '[\"hours\"]'")
    with pytest.raises(HistoryError, match="is no column of the schema"), read_export(tmp_path):
        pass
    (tmp_path / "history.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(HistoryError, match="not an export of a gateway"), read_export(tmp_path):
        pass
    export(gateway, tmp_path)
    with pytest.raises(HistoryError, match="delete the older one"):
        find_tables(tmp_path)


def test_without_sqlite_utils_the_error_names_the_command(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlite_utils", None)
    with pytest.raises(SetupError, match=r"pip install 'wayside\[export\]'`, or use --format csv"):
        export_as(gateway, tmp_path / "out", "sqlite")
    assert not (tmp_path / "out").exists()


def test_no_name_of_anybody_leads_back_or_to_an_earlier_export(gateway: Gateway, tmp_path: Path) -> None:
    first, second = export(gateway, tmp_path / "a"), export(gateway, tmp_path / "b")
    named = ("subject", "decision", "basket")
    both = [{row[name] for rows in out for row in rows for name in named if row.get(name)} for out in (first, second)]
    assert len(both[0]) == len(both[1]) > 4
    assert not both[0] & both[1]
    export_as(gateway, tmp_path / "c", "sqlite")
    names = ("interactions.csv", "baskets.csv", "facts.jsonl")
    text = "".join((tmp_path / folder / name).read_text("utf-8") for folder in "ab" for name in names)
    text += (tmp_path / "c" / "history.sqlite").read_text("latin-1")
    for trace in (
        *gateway.state.people.identities,
        *gateway.state.people.identities.values(),
        *(row[0] for row in gateway.rows("decisions")),
    ):
        assert trace not in text
    moments = [[row["at_ms"] for row in rows] for rows in (*first, *second)]
    assert sorted(moments[0]) == sorted(moments[2])


def test_who_takes_it_back_is_in_no_later_export(gateway: Gateway, tmp_path: Path) -> None:
    export(gateway, tmp_path / "out")
    phone = Phone("phone-0000", boot="b2")
    gateway.apply(phone.withdrawal())
    interactions, baskets = export(gateway, tmp_path / "out")
    assert len({row["subject"] for row in interactions}) == len(baskets) == 1
    gateway.apply(Phone("phone-0002", boot="b2").consent(expires_at_ms=gateway.clock.now_ms() + DAY_MS))
    assert export(gateway, tmp_path / "out", gateway.clock.now_ms() + DAY_MS) == ([], [])


@pytest.mark.parametrize(
    ("form", "files"),
    [("sqlite", ["history.sqlite"]), ("csv", ["baskets.csv", "facts.jsonl", "history.json", "interactions.csv"])],
)
def test_files_are_private_and_complete(gateway: Gateway, tmp_path: Path, form: Form, files: list[str]) -> None:
    exported = export_as(gateway, tmp_path / "out", form)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == files
    assert sorted(exported.files) == [str(tmp_path / "out" / name) for name in files]
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()} == {0o600}


def test_the_command_works_beside_a_gateway_that_runs(tmp_path: Path) -> None:
    config = write_config(tmp_path, files=make_bundle(tmp_path, tiny_campaign()))
    words = ("history", "export", "--config", config, "--out", tmp_path / "out")
    assert "does not exist yet: start the gateway first" in wayside(*words).refusal(1)
    running = build(settings_of(config))
    for message in walk_in("phone-0001"):
        running.mailbox.deliver([message])
    running.turn(0.0)
    exported = json.loads(wayside(*words, "--json").out)
    assert (exported["subjects"], exported["interactions"], exported["baskets"]) == (1, {"proposed": 1}, 0)
    assert exported["files"] == [str(tmp_path / "out" / "history.sqlite")]
    assert wayside(*words).out.splitlines()[0] == "1 people who consented to learning; interactions: 1 proposed; purchases: 0"
    assert json.loads(wayside(*words, "--format", "csv", "--json").out)["files"][0] == str(tmp_path / "out" / "interactions.csv")
    running.store.close()
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert "file" in wayside("history", "export", "--config", config, "--out", blocked).refusal(1)
