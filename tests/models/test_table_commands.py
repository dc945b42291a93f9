"""`train` and `evaluate` on any table: from a file to a model that the next command takes, and every fault with its way out."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from models.dataset.loading import SCHEMA_FILE
from tests.models.dataset import toy
from tests.models.test_cli import run

ESTIMATORS = ("--estimators", "logistic")


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal answers a question."""
    monkeypatch.setattr("sys.stdin", io.StringIO())


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write(tmp_path_factory.mktemp("tables") / "sales.csv", toy.rows(600, seed=1))


@pytest.fixture(scope="module")
def model(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "model"
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert run(monkeypatch, "train", "--table", table, "--target", "bought", *ESTIMATORS, "--out", folder) == 0
    return folder


def test_the_report_has_the_columns_the_baselines_and_every_row(model: Path) -> None:
    report = json.loads((model / "report.json").read_text("utf-8"))
    of = report["table"]
    assert of["rows_in"] == of["rows_used"] + sum(of["refused"].values()) + of["not_drawn"] == 600
    assert (of["target"], of["positive"], of["groups"], of["time"]) == ("bought", "yes", [], "")
    assert {one["column"]: one["left_out"] for one in of["columns"]}["country"] == "the same value in every row"
    comparison = report["comparison"]
    assert [one["name"] for one in comparison["baselines"]] == ["plain logistic", "untuned boosting", "untuned LightGBM"]
    for one in comparison["baselines"]:
        assert one["figures"]["auc"]["low"] < one["figures"]["auc"]["value"] < one["figures"]["auc"]["high"]
        assert one["difference"]["low"] <= one["difference"]["value"] <= one["difference"]["high"]
    assert comparison["champion"]["auc"]["low"] > 0.6
    assert comparison["blind_auc"] is None, "all attributes are told by the person"


def test_the_folder_is_taken_by_bundle_make(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = tmp_path / "campaign.toml"
    demo = (Path(__file__).resolve().parents[2] / "deploy" / "worlds" / "street" / "campaign.toml").read_text("utf-8")
    kinds = ("coffee_house", "restaurant_cheap", "restaurant_dear", "carry_away", "bar", "other")
    for kind in kinds:
        demo = demo.replace(f'category = "{kind}"', 'category = "any"')
    campaign.write_text(demo, encoding="utf-8")
    assert run(monkeypatch, "keygen", "--out", tmp_path / "k") == 0
    made = ("--model", model, "--campaign", campaign, "--key", tmp_path / "k.key", "--out", tmp_path / "a.bundle")
    assert run(monkeypatch, "bundle", "make", *made) == 0
    assert run(monkeypatch, "bundle", "verify", tmp_path / "a.bundle", "--pub", tmp_path / "k.pub") == 0


def test_a_leak_stops_the_command_with_the_options_and_each_option_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row | {"Refund Sum": f"{5 + number % 7}" if row["bought"] == "yes" else "0"} for number, row in enumerate(toy.rows(300))]
    path, out = toy.write(tmp_path / "leaky.csv", rows), tmp_path / "model"
    command = ("train", "--table", path, "--target", "bought", *ESTIMATORS, "--out", out)
    assert run(monkeypatch, *command) == 1
    assert "Refund Sum (AUC alone 1.00)" in (error := capsys.readouterr().err)
    assert "--drop 'Refund Sum' for columns" in error
    assert "--keep 'Refund Sum' for" in error
    assert not out.exists()
    assert run(monkeypatch, *command, "--keep", "Refund Sum", "--json") == 0
    kept = json.loads(capsys.readouterr().out)
    assert run(monkeypatch, *command, "--drop", "Refund Sum", "--json") == 0
    dropped = json.loads(capsys.readouterr().out)
    assert kept["comparison"]["champion"]["auc"]["value"] > 0.99
    assert dropped["comparison"]["champion"]["auc"]["value"] < 0.9
    assert "refund_sum" not in dropped["model"]["columns"]
    assert "# Refund Sum: dropped" in (out / SCHEMA_FILE).read_text("utf-8")


def test_the_written_schema_passed_back_gives_the_same_figures(
    table: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("train", "--table", table, "--target", "bought", *ESTIMATORS, "--out", tmp_path / "again", "--json")
    assert run(monkeypatch, *command, "--schema", model / SCHEMA_FILE) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["comparison"] == json.loads((model / "report.json").read_text("utf-8"))["comparison"]


def test_another_table_is_evaluated_by_the_names_of_its_columns(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In another order, with another letter case, with more columns; without one column, it is named."""
    fresh = [{name.upper() if name == "member" else name: row[name] for name in reversed(row)} for row in toy.rows(400, seed=9)]
    path = toy.write(tmp_path / "fresh.csv", [row | {"new": "1"} for row in fresh])
    assert run(monkeypatch, "evaluate", "--table", path, "--model", model, "--json") == 0
    whole = capsys.readouterr()
    assert "no column for" not in whole.err
    figures = json.loads(whole.out)["model"]
    assert 0.6 < figures["auc"]["value"] < 0.9
    lacking = toy.write(tmp_path / "lacking.csv", [{name: text for name, text in row.items() if name != "Amount"} for row in fresh])
    assert run(monkeypatch, "evaluate", "--table", lacking, "--model", model, "--json") == 0
    part = capsys.readouterr()
    assert "lacking.csv has no column for amount: unknown in every row" in part.err
    assert json.loads(part.out)["model"]["auc"]["value"] < figures["auc"]["value"] - 0.05


def test_faults_of_a_table_are_one_line_with_the_way_out(
    table: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = toy.rows(300)
    ten = toy.write(tmp_path / "ten.csv", rows[:10])
    one = toy.write(tmp_path / "one.csv", [row | {"bought": "no"} for row in rows])
    three = toy.write(tmp_path / "three.csv", [row | {"bought": "abc"[number % 3]} for number, row in enumerate(rows)])
    foreign = toy.write(tmp_path / "foreign.csv", [{"x": "1", "bought": "yes"}, {"x": "2", "bought": "no"}] * 100)
    schema = tmp_path / "schema.toml"
    schema.write_text((model / SCHEMA_FILE).read_text("utf-8").replace('dtype = "flag"', 'dtype = "flg"'), encoding="utf-8")
    for arguments, why in (
        (("train", "--table", ten, "--target", "bought"), "10 usable rows"),
        (("train", "--table", one, "--target", "bought"), "no (300) in every row"),
        (("train", "--table", three, "--target", "bought"), "add --positive VALUE"),
        (("train", "--table", three, "--target", "bought", "--positive", "d"), "no row has 'd'"),
        (("train", "--table", table, "--target", "bougt"), "did you mean 'bought'?"),
        (("train", "--table", table, "--target", "bought", "--group", "persn"), "did you mean 'person'?"),
        (("train", "--table", table, "--target", "bought", "--schema", schema), "'flg' is not allowed; did you mean 'flag'?"),
        (("train", "--table", foreign, "--target", "bought", "--schema", model / SCHEMA_FILE), "has no column for an attribute"),
        (("evaluate", "--table", foreign, "--model", model), "has no column for an attribute"),
    ):
        more = ("--out", tmp_path / "m") if arguments[0] == "train" else ()
        assert run(monkeypatch, *arguments, *more) == 1, arguments
        *progress, error = capsys.readouterr().err.splitlines()
        assert error.startswith("error: "), arguments
        assert why in error
        assert not [line for line in progress if line.startswith("error")]
    assert not (tmp_path / "m").exists()


def test_a_table_without_target_is_wrong_use(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "train", "--table", table, "--out", tmp_path) == 2
    assert run(monkeypatch, "train", "--table", table, "--target", "bought", "--time", "since", "--ordered", "--out", tmp_path) == 2
    assert run(monkeypatch, "train", "--target", "bought", "--out", tmp_path) == 2


def test_the_printed_report_names_what_was_left_out(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grouped = ("--group", "person", "--time", "since", "--rows-max", "1000", *ESTIMATORS)
    big = toy.write(tmp_path / "big.csv", toy.rows(1_500, people=500))
    assert run(monkeypatch, "evaluate", "--table", big, "--target", "bought", *grouped) == 0
    printed = capsys.readouterr()
    assert "1,500 rows in" in printed.out
    assert "a sample:" in printed.out
    assert "left out: gender: sensitive (gender)" in printed.out
    assert "untuned LightGBM" in printed.out
    assert "profiling big.csv" in printed.err
