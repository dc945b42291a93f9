"""`wayside-models bundle make --model mine.onnx`: from an ONNX file and a schema to a bundle that a gateway opens."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from skl2onnx import to_onnx
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gateway.adapters.bundle import Draft, open_bundle, public_key_line, write_bundle
from gateway.adapters.onnx_scorer import OnnxScorer, load_scorer
from gateway.core.bundle import LoadableModel
from models import cli
from tests.kit.bundles import KEY
from tests.kit.graphs import entry_for, slow_model
from tests.models.imported.museum import SCHEMA_TOML, pipeline, visitors, written

CAMPAIGN = """
timezone = "Europe/Berlin"
currency = "EUR"

[policy]
contact_cost = "0.10 EUR"

[sign_off]
approver = "the authors of Wayside"
may_offend = false
may_harm = false
uses_misfortune = false

[[offers]]
id = "cake"
category = "cafe"
title = "Cake"
zones = ["hall"]
shop = "cafe"
margin = "3 EUR"
starts = 2026-01-01
ends = 2035-12-31
valid = "2 h"
"""


class Desk(NamedTuple):
    """A folder with a model, a schema, a campaign, a key and a table with outcome, person and the probabilities of scikit-learn."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def make(self, *options: object, model: str = "mine.onnx", out: str = "museum.bundle") -> int:
        """The exit code of `bundle make`."""
        paths = {"--model": model, "--schema": "schema.toml", "--campaign": "campaign.toml", "--key": "k.key", "--out": out}
        files = [part for option, name in paths.items() for part in (option, self.folder / name)]
        command = ["wayside-models", "bundle", "make", *files, "--name", "museum", "--created", "2026-11-01", *options]
        self.monkeypatch.setattr(sys, "argv", [str(part) for part in command])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert isinstance(end.value.code, int)
        return end.value.code

    def refusal(self, *options: object, model: str = "mine.onnx") -> str:
        """The one line on the standard error, after the note of progress."""
        assert self.make(*options, model=model) == 1
        assert not (self.folder / "museum.bundle").exists()
        return self.capsys.readouterr().err.splitlines()[-1]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    fitted, (table, taken) = pipeline(), visitors()
    written(to_onnx(fitted, table[:1]), tmp_path)
    (tmp_path / "schema.toml").write_text(SCHEMA_TOML, "utf-8")
    (tmp_path / "campaign.toml").write_text(CAMPAIGN, "utf-8")
    (tmp_path / "k.key").write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    persons = np.arange(len(taken)) // 4
    chances = fitted.predict_proba(table)[:, 1]
    table.assign(taken=taken, person=persons, chance=chances, off=1 - chances).to_csv(tmp_path / "visitors.csv", index=False)
    return Desk(tmp_path, monkeypatch, capsys)


def test_a_file_becomes_a_bundle(desk: Desk) -> None:
    assert desk.make("--json") == 0
    shown = json.loads(desk.capsys.readouterr().out)
    assert (shown["parity_rows"], shown["offers"], shown["manifest"]["name"]) == (1_024, ["cake"], "museum")
    path = desk.folder / "museum.bundle"
    opened = open_bundle(path, [KEY.public_key()], None)
    assert opened.model.entry.columns == ("ticket_day", "ticket_year", "ticket_school", "visits", "hour", "member")
    assert load_scorer(opened.model).score(np.full((1, 6), np.nan, np.float32)).shape == (1,)
    first = path.read_bytes()
    assert [desk.make(), path.read_bytes()] == [0, first]  # the same files give the same bundle


def test_rows_with_their_outcome_give_figures(desk: Desk) -> None:
    assert desk.make("--rows", desk.folder / "visitors.csv", "--target", "taken", "--group", "person", "--json") == 0
    metrics = json.loads(desk.capsys.readouterr().out)["manifest"]["metrics"]
    assert (metrics["evaluated"], metrics["respondents"]) == (400, 100)
    assert metrics["auc_low"] < metrics["auc"] < metrics["auc_high"]
    assert metrics["auc"] > 0.75
    assert "auc_above_champion" not in metrics


def test_a_model_is_compared_with_the_champion_on_the_same_rows(desk: Desk) -> None:
    """The champion reads other columns in another form."""
    rows = ("--rows", desk.folder / "visitors.csv", "--target", "taken")
    assert desk.make(out="champion.bundle") == 0
    table, taken = visitors()
    noise = make_pipeline(SimpleImputer(), StandardScaler(), HistGradientBoostingClassifier(max_iter=3))
    weak = noise.fit(table[["member"]].to_numpy(np.float32), taken)
    (desk.folder / "weak.onnx").write_bytes(to_onnx(weak, np.zeros((1, 1), np.float32)).SerializeToString())
    desk.capsys.readouterr()
    champion = ("--champion", desk.folder / "champion.bundle")
    assert desk.make(*rows, *champion, "--columns", "member", "--json", model="weak.onnx", out="weak.bundle") == 0
    metrics = json.loads(desk.capsys.readouterr().out)["manifest"]["metrics"]
    assert metrics["auc_above_champion_low"] < metrics["auc_above_champion"] < metrics["auc_above_champion_high"] < 0
    assert desk.make(*rows, *champion, "--json") == 0
    same = json.loads(desk.capsys.readouterr().out)["manifest"]["metrics"]
    assert (same["auc_above_champion"], same["auc_above_champion_low"]) == (0, 0)


def test_probabilities_of_the_training_library_must_agree(desk: Desk) -> None:
    rows = ("--rows", desk.folder / "visitors.csv")
    assert "scores 400 of 400 rows otherwise than 'off' states" in desk.refusal(*rows, "--expected", "off")
    assert desk.make(*rows, "--expected", "chance") == 0


def test_parquet_and_arrays_hold_the_same_rows(desk: Desk) -> None:
    csv, parquet, arrays = (desk.folder / f"visitors.{suffix}" for suffix in ("csv", "parquet", "npz"))
    duckdb.sql(f"COPY (SELECT * FROM read_csv('{csv}')) TO '{parquet}' (FORMAT parquet)")  # noqa: S608 - a path of this test
    table, taken = visitors()
    columns = {str(name): table[name].to_numpy(str if name == "ticket" else np.float32) for name in table}
    np.savez(arrays, allow_pickle=False, taken=taken, **columns)
    found = []
    for path in (csv, parquet, arrays):
        assert desk.make("--rows", path, "--target", "taken", "--json") == 0
        found.append(json.loads(desk.capsys.readouterr().out)["manifest"]["metrics"])
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("ticket", "tickets"), "has no column 'ticket'; did you mean 'tickets'?"),
        (("year", "yearly"), "'yearly' (row"),
        ((",taken", ",bought"), "has no column 'taken'"),
    ],
)
def test_rows_that_do_not_fit_the_schema_are_refused(change: tuple[str, str], message: str, desk: Desk) -> None:
    path = desk.folder / "visitors.csv"
    path.write_text(path.read_text("utf-8").replace(*change), "utf-8")
    assert message in desk.refusal("--rows", path, "--target", "taken")


def test_rows_with_other_texts_for_numbers_or_outcomes_are_refused(desk: Desk) -> None:
    path = desk.folder / "odd.csv"
    head = "ticket,visits,hour,member,taken\n"
    cases = {
        "day,many,12,1,1\n": "1 rows of 'visits': 'many' (row 1) is no number",
        "day,1,12,perhaps,1\n": "1 rows of 'member': 'perhaps' (row 1) is no flag; write 1 or 0",
        "day,1,12,1,1\nday,2,13,0,1\n": "the outcomes in 'taken' must be known, some 0 and some 1",
        "": "holds no rows",
    }
    for rows, message in cases.items():
        path.write_text(head + rows, "utf-8")
        assert message in desk.refusal("--rows", path, "--target", "taken")


def test_options_that_do_not_belong_together_are_refused(desk: Desk) -> None:
    assert "figures need --target" in desk.refusal("--rows", desk.folder / "visitors.csv", "--group", "person")
    assert "--target and --expected name columns of --rows" in desk.refusal("--target", "taken")
    (desk.folder / "model").mkdir()
    assert "--schema: only with an ONNX file; the folder" in desk.refusal(model="model")
    (desk.folder / "campaign.toml").write_text(CAMPAIGN.replace('approver = "the authors of Wayside"', ""), "utf-8")
    assert "sign_off.approver: required, and absent" in desk.refusal()
    (desk.folder / "schema.toml").write_text("categories = 3", "utf-8")
    assert "schema.toml" in desk.refusal()


def test_verify_refuses_a_model_that_a_gateway_would_refuse(desk: Desk) -> None:
    """A bundle that was signed by other means, with a model that takes too long."""
    assert desk.make() == 0
    path = desk.folder / "museum.bundle"
    opened = open_bundle(path, [KEY.public_key()], None)
    columns = ("visits", "hour", "member")
    model = slow_model(len(columns), 1_024, 3)
    rows = np.random.default_rng(3).uniform(0, 20, (8, len(columns))).astype(np.float32)
    entry = entry_for(model, columns)
    slow = LoadableModel(model, entry, rows, OnnxScorer(model, entry).score(rows))
    dates = opened.manifest.created_at_ms, opened.manifest.expires_at_ms
    write_bundle(path, KEY, Draft("museum", 2, *dates, slow, opened.schema, opened.campaign, {}))
    (desk.folder / "k.pub").write_text(public_key_line(KEY.public_key()), "utf-8")
    desk.monkeypatch.setattr(sys, "argv", ["wayside-models", "bundle", "verify", str(path), "--pub", str(desk.folder / "k.pub")])
    desk.capsys.readouterr()
    with pytest.raises(SystemExit):
        cli.main()
    assert "over_budget: a call with 64 rows takes" in desk.capsys.readouterr().err


def test_a_refused_model_leaves_no_bundle(desk: Desk) -> None:
    (desk.folder / "mine.onnx").write_bytes(b"not a model")
    assert "is not an ONNX file" in desk.refusal()
