"""Columns worked out from the log of one gateway equal those that a gateway with the new definitions scored, bit for bit."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from gateway.adapters.bundle import open_bundle, read_public_keys
from gateway.commands.history import Form, Site, write
from gateway.core.attributes.group_checks import groups_bytes
from gateway.core.attributes.grouping import Mined
from models.patterns.valuation import encode_pattern_file
from tests.kit.attributes import GROUPED, GROUPED_COLUMNS, GROUPED_MINED, RICH, RICH_COLUMNS
from tests.kit.testbed import EVERYTHING, HOUR_MS, OFFERS, Gateway, Phone, TableScorer, campaign, make_site, purchase
from tests.models.history.tables import run

DEMO = Path(__file__).parents[3] / "deploy" / "worlds" / "street"
PEOPLE, STEPS = 12, 260
RULES = {"gap_s_min": 0, "per_person_day_max": 64, "quiet_from": 0, "quiet_until": 0, "contact_cost_minor": 0.0, "refusal_s": 60}


def exported(folder: Path, form: Form, **site: object) -> Path:
    """The export of a seeded run; the same run for every schema, because the scorer reads the offer's category only."""
    folder.mkdir()
    offers = [replace(offer, zones=("cafe", "bar", "station"), per_person_day_max=60) for offer in OFFERS]
    gateway = Gateway(
        folder,
        site=make_site(campaign=campaign(*offers, **RULES), **site),
        scorer=TableScorer({"coffee_house": 0.4, "bar": 0.35}),
        synced=False,
    )
    draws = random.Random(3)  # noqa: S311 - a seeded test
    phones = [Phone(f"phone-{number:04}") for number in range(PEOPLE)]
    gateway.apply(*(phone.consent(EVERYTHING) for phone in phones))
    for step in range(STEPS):
        phone, anchor = draws.choice(phones), draws.choice(("scan-cafe", "scan-bar", "scan-station"))
        gateway.pass_time(draws.randrange(1, 2 * HOUR_MS))
        gateway.apply(phone.near(anchor))
        decisions = []
        for _ in range(draws.choice((2, 5))):
            gateway.clock.advance(1_000)
            decisions += gateway.apply(phone.near(anchor)).decisions.made
            gateway.pass_time(20_000)
        for decision in decisions:
            if decision.offer is not None:
                gateway.apply(phone.answer(decision.id, draws.choice(("accepted", "dismissed"))))
                if draws.random() < 0.4:
                    gateway.apply(purchase("till-bar", step, draws.randrange(100, 900), decision=decision.id))
    with gateway.reader() as reader:
        write(reader, Site({}, gateway.site.plan, "Europe/Berlin"), folder / "out", gateway.clock.now_ms(), form)
    gateway.close()
    return folder / "out"


def scored(folder: Path) -> list[tuple[str, ...]]:
    """The scored columns of the proposals in interactions.csv, without pseudonyms, sorted."""
    with (folder / "interactions.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["what"] == "proposed"]
    columns = json.loads((folder / "history.json").read_text("utf-8"))["columns"]
    values = [[np.float32(row[f"f_{name}"] or "nan").tobytes().hex() for name in columns] for row in rows]
    return sorted((row["at_ms"], row["offer"], *of) for row, of in zip(rows, values, strict=True))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("recompute") / "before", "csv", schema=RICH, columns=RICH_COLUMNS)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """The new schema, groups and patterns as people and commands write them."""
    paths = {name: tmp_path / name for name in ("schema.toml", "groups.json", "patterns.json")}
    paths["schema.toml"].write_text(as_toml(msgspec.to_builtins(GROUPED)), "utf-8")
    paths["groups.json"].write_bytes(groups_bytes(GROUPED_MINED.groups))
    paths["patterns.json"].write_bytes(encode_pattern_file(GROUPED_MINED.patterns))
    return paths


def as_toml(table: dict[str, object]) -> str:
    """A schema as TOML, every attribute's source inline."""

    def text(value: object) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{json.dumps(name)} = {text(of)}" for name, of in value.items()) + " }"
        if isinstance(value, list | tuple):
            return "[" + ", ".join(map(text, value)) + "]"
        return json.dumps(value)

    head = [f"{name} = {text(value)}" for name, value in table.items() if name != "attributes"]
    attributes = table["attributes"]
    assert isinstance(attributes, list | tuple)
    listed = ["\n".join(["[[attributes]]", *(f"{name} = {text(of)}" for name, of in one.items())]) for one in attributes]
    return "\n".join([*head, *listed])


def test_recomputed_columns_equal_those_of_a_gateway_with_the_definitions(
    before: Path, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    after = exported(tmp_path / "after", "csv", schema=GROUPED, columns=GROUPED_COLUMNS, mined=GROUPED_MINED)
    out = tmp_path / "mined"
    options = ("--schema", files["schema.toml"], "--groups", files["groups.json"], "--patterns", files["patterns.json"], "--out", out)
    assert run(monkeypatch, "history", "recompute", "--dir", before, *options, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["incomplete"] == 0
    assert report["proposals"] == len(scored(before)) > 100
    new, truth = ({row[:2]: row[2:] for row in scored(of)} for of in (out, after))
    assert len(new) == len(truth)
    columns = {of: json.loads((of / "history.json").read_text("utf-8"))["columns"] for of in (out, after)}
    for name in columns[after]:
        at, there = columns[out].index(name), columns[after].index(name)
        assert [row[at] for row in new.values()] == [row[there] for row in truth.values()], name


def test_without_the_beginning_of_the_log_proposals_are_left_out(
    before: Path, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "cut"
    copy.mkdir()
    for name in ("interactions.csv", "baskets.csv", "history.json"):
        (copy / name).write_bytes((before / name).read_bytes())
    lines = [line for line in (before / "facts.jsonl").read_bytes().splitlines() if b'"number":1,' not in line]
    command = ("history", "recompute", "--dir", copy, "--schema", files["schema.toml"], "--groups", files["groups.json"])
    assert run(monkeypatch, *command, "--out", tmp_path / "none") == 1
    assert "has no readable history log" in capsys.readouterr().err
    (copy / "facts.jsonl").write_bytes(b"\n".join(lines))
    assert run(monkeypatch, *command, "--out", tmp_path / "none", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["proposals"], report["incomplete"]) == (0, len(scored(before)))


def test_a_model_trained_on_mined_columns_is_signed_with_them(
    before: Path, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Export, recompute, train, sign, open: the bundle holds the definitions that its model reads, and is refused without them."""
    out, model, key = tmp_path / "mined", tmp_path / "model", tmp_path / "k"
    options = ("--schema", files["schema.toml"], "--groups", files["groups.json"], "--patterns", files["patterns.json"])
    assert run(monkeypatch, "history", "recompute", "--dir", before, *options, "--out", out) == 0
    assert run(monkeypatch, "train", "--history", out, "--estimators", "logistic", "--out", model) == 0
    assert run(monkeypatch, "keygen", "--out", key) == 0
    made = tmp_path / "street.bundle"
    make = ("bundle", "make", "--model", model, "--campaign", DEMO / "campaign.toml", "--key", f"{key}.key", "--out", made)
    assert run(monkeypatch, *make) == 1
    assert "bad_groups: attribute 'habit' needs a value table or association" in " ".join(capsys.readouterr().err.split())
    mined = ("--groups", files["groups.json"], "--patterns", files["patterns.json"])
    assert run(monkeypatch, *make, *mined) == 0
    opened = open_bundle(made, read_public_keys(Path(f"{key}.pub")), None)
    assert opened.mined == Mined(GROUPED_MINED.groups, GROUPED_MINED.patterns)
    assert {"habit", "worth", "crawler", "gain", "together", "similar", "group_many"} <= set(opened.manifest.model.columns)
