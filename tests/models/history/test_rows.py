"""Rows of proposals that no model scored: known values of a small past, and errors that name the place."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from gateway.adapters.toml_files import load_campaign, load_schema
from models.cli import app
from models.errors import ModelsError
from models.history.rows import read_places, write_rows
from models.propensity.loading import load_history

MALL = Path(__file__).resolve().parents[3] / "deploy" / "worlds" / "mall"
CONFIGS = [MALL / "gw-a.toml", MALL / "gw-b.toml"]
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SATURDAY_MS = 1_796_463_000_000  # 2026-12-05 10:30 in Berlin
HEADER = "subject at_ms what zone kind offer decision dwell_s occasion facts temperature precipitation".split()


def consent(at_ms: int, **told: float) -> tuple[int, dict[str, Any]]:
    return at_ms, {"type": "consent", "purposes": ["presence", "offers", "learning"], "told": told}


def fact(at_ms: int, of: str, **fields: object) -> tuple[int, dict[str, Any]]:
    return at_ms, {"type": "fact", "fact": {"of": of, "at_ms": at_ms, **fields}}


FACTS = (
    consent(SATURDAY_MS - 3 * HOUR_MS, bought_books=4.0, interest_books=5.0),
    fact(SATURDAY_MS - 2 * HOUR_MS, "contacts", category="books", zone="atrium", offer="paperback", occasion="entered"),
    fact(SATURDAY_MS - 2 * HOUR_MS + 1, "answers", category="books", zone="atrium", offer="paperback", answer="accepted"),
    fact(SATURDAY_MS - HOUR_MS, "purchases", category="books", zone="bookshop", offer="paperback", amount=1300),
    fact(SATURDAY_MS, "contacts", category="books", zone="atrium", offer="signed-novel", occasion="dwelled"),
)


def proposal(facts: int, at_ms: int = SATURDAY_MS, **fields: object) -> dict[str, object]:
    usual = {"subject": "a", "what": "proposed", "zone": "atrium", "kind": "books", "offer": "signed-novel", "decision": f"a.{facts}"}
    known = {"occasion": "dwelled", "dwell_s": 4.0, "temperature": 8.5, "precipitation": 0.0}
    return {**usual, **known, "facts": facts, "at_ms": at_ms, **fields}


def past(folder: Path, rows: list[dict[str, object]], facts: tuple[tuple[int, dict[str, Any]], ...] = FACTS) -> Path:
    folder.mkdir(exist_ok=True)
    with (folder / "interactions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    lines = [json.dumps({"subject": "a", "number": at, "at_ms": at_ms, "body": body}) for at, (at_ms, body) in enumerate(facts, 1)]
    (folder / "facts.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return folder


def rows_of(folder: Path, out: Path) -> list[dict[str, float]]:
    schema = load_schema(MALL / "schema.toml")
    write_rows(folder, schema, load_campaign(MALL / "campaign.toml", schema).campaign, read_places(CONFIGS), out)
    with (out / "interactions.csv").open(encoding="utf-8", newline="") as file:
        read = [row for row in csv.DictReader(file) if row["what"] == "proposed"]
    return [{name[2:]: float(value or "nan") for name, value in row.items() if name.startswith("f_")} for row in read]


def test_values_are_those_just_before_the_proposal(tmp_path: Path) -> None:
    (row,) = rows_of(past(tmp_path / "past", [proposal(4)]), tmp_path / "rows")
    decay = 0.5 ** (1 / 24 / (30 * math.log(2)))  # of one hour, with a mean life of 30 days
    known = {
        "hour": 10.5,
        "weekday": 5.0,
        "weather_sunny": 1.0,
        "temperature": 8.5,
        "occasion_dwelled": 1.0,
        "occasion_entered": 0.0,
        "offer_books": 1.0,
        "offer_toys": 0.0,
        "price": 1300.0,
        "discount": 0.0,
        "is_new": 1.0,
        "is_quality": 1.0,
        "walk": math.hypot(73 - 44, 29 - 20) / 80,
        "purchases_books": 4 * decay**3 + decay,
        "purchases_of_category": 4 * decay**3 + decay,
        "interest_books": 5.0,
        "interest_in_category": 5.0,
        "offers_received": 1.0,
        "hours_since_offer": 2.0,
        "accepted_share": 1.0,
        "dismissed_share": 0.0,
        "hours_since_purchase": 1.0,
        "amount_mean": 1300.0,
        "last_category_books": 1.0,
    }
    assert {name: row[name] for name in known} == pytest.approx(known, rel=1e-6)
    assert math.isnan(row["interest_toys"])
    assert not any(name.startswith("bought_") for name in row)  # stated values that a history starts from


def test_a_proposal_does_not_know_later_facts(tmp_path: Path) -> None:
    early, late = rows_of(past(tmp_path / "past", [proposal(1, SATURDAY_MS - 2 * HOUR_MS), proposal(4)]), tmp_path / "rows")
    assert (early["offers_received"], late["offers_received"]) == (0.0, 1.0)
    assert math.isnan(early["amount_mean"])
    assert early["purchases_books"] < 4.0 < late["purchases_books"]


def test_train_takes_the_folder(tmp_path: Path) -> None:
    rows = [proposal(1, SATURDAY_MS - 2 * HOUR_MS), proposal(4), {"subject": "a", "at_ms": SATURDAY_MS + 2 * DAY_MS, "what": "visit"}]
    rows.append({"subject": "a", "at_ms": SATURDAY_MS + 9, "what": "accepted", "decision": "a.4"})
    files = [f"--schema={MALL / 'schema.toml'}", f"--campaign={MALL / 'campaign.toml'}", *(f"--config={path}" for path in CONFIGS)]
    folders = [f"--dir={past(tmp_path / 'past', rows)}", f"--out={tmp_path / 'rows'}"]
    done = CliRunner().invoke(app, ["history", "rows", *files, *folders, "--json"])
    assert done.exit_code == 0, done.output
    written = json.loads(done.stdout)
    assert (written["proposals"], written["people"], written["columns"]) == (2, 1, 49)
    assert "interest_toys" in written["always_unknown"]
    assert "interest_books" not in written["always_unknown"]
    with pytest.raises(ModelsError, match="rows"):  # read, labelled, and then too few to train on
        load_history(tmp_path / "rows", 0)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (proposal(4, offer="signed-novl"), "proposal a.4: the campaign has no offer 'signed-novl'; the nearest is 'signed-novel'"),
        (proposal(4, zone="atrum"), "proposal a.4: no config has a zone 'atrum'; the nearest is 'atrium'"),
        (proposal(9), "proposal a.9 rests on 9 facts, facts.jsonl has 5 of a"),
        (proposal(4, temperature="warm"), "proposal a.4: temperature is 'warm', not a number"),
    ],
)
def test_a_faulty_proposal_is_named(tmp_path: Path, row: dict[str, object], says: str) -> None:
    with pytest.raises(ModelsError, match=says):
        rows_of(past(tmp_path / "past", [row]), tmp_path / "rows")


def test_faulty_files_are_named(tmp_path: Path) -> None:
    folder = past(tmp_path / "past", [proposal(4)], FACTS[1:])
    rows = rows_of(folder, tmp_path / "rows")
    assert np.isnan(rows[0]["purchases_books"])  # a log without its consent knows nothing
    table = folder / "interactions.csv"
    table.write_text(table.read_text("utf-8").replace("decision", "decisoin"), "utf-8")
    with pytest.raises(ModelsError, match=r"interactions\.csv has no column 'decision'; the nearest is 'decisoin'"):
        rows_of(folder, tmp_path / "rows")
    past(folder, [proposal(4)])
    (folder / "facts.jsonl").write_text("{}\n", "utf-8")
    with pytest.raises(ModelsError, match=r"facts\.jsonl cannot be used: a line of the history log is no fact"):
        rows_of(folder, tmp_path / "rows")
    with pytest.raises(ModelsError, match=r"campaign\.toml is no gateway config"):
        read_places([MALL / "campaign.toml"])
    other = tmp_path / "gw-c.toml"
    other.write_text(CONFIGS[0].read_text("utf-8").replace("Europe/Berlin", "Europe/Athens"), "utf-8")
    with pytest.raises(ModelsError, match="different time zones: Europe/Athens, Europe/Berlin"):
        read_places([CONFIGS[0], other])
    with pytest.raises(ModelsError, match="has the scored column f_hour"):
        rows_of(tmp_path / "rows", tmp_path / "again")
