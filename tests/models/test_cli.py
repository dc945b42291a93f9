"""The commands from a table to a verified bundle, and their error messages."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import typer

from gateway.adapters.bundle import open_bundle, read_public_keys
from models import cli
from models.imported.champion import read_champion
from models.imported.importing import scores
from models.patterns.valuation import encode_pattern_file, value_rules
from models.propensity import boosting
from models.propensity.bayes import fit_priors
from models.report import read_report
from models.tables.coupon import SCHEMA
from tests.kit.bundles import KEY
from tests.models import tables
from tests.models.patterns.toy import rule

QUICK = (boosting.Recipe(rounds=20, rate=0.2, depth=3, leaf_rows_min=20),)
DEMO = Path(__file__).resolve().parents[2] / "deploy" / "worlds" / "street"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One small recipe: these tests are about commands, not about quality."""
    monkeypatch.setattr(cli, "RECIPES", QUICK)


COUPON = ("--target", "Y", "--group", "respondent", "--schema", SCHEMA)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The exit code of `wayside-models` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["wayside-models", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tables.write(tmp_path_factory.mktemp("tables") / "planted.csv", tables.planted(40, 10, seed=1))


@pytest.fixture(scope="module")
def model(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "model"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(cli, "RECIPES", QUICK)
        assert run(monkeypatch, "train", "--table", table, *COUPON, "--out", folder) == 0
    return folder


def test_training_reports_what_it_did(model: Path) -> None:
    report = json.loads((model / "report.json").read_text(encoding="utf-8"))
    assert report["table"]["rows_used"] == 400
    assert report["comparison"]["champion"]["auc"]["value"] > 0.7
    assert report["parity_worst"] <= 1e-5
    assert report["model_bytes"] == (model / "model.onnx").stat().st_size


def test_from_a_table_to_a_verified_bundle(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "keygen", "--out", tmp_path / "street") == 0
    key, pub, made = tmp_path / "street.key", tmp_path / "street.pub", tmp_path / "street.bundle"
    assert key.stat().st_mode & 0o077 == 0
    command = ("bundle", "make", "--model", model, "--campaign", DEMO / "campaign.toml", "--key", key, "--out", made, "--version", 4)
    assert run(monkeypatch, *command) == 0
    capsys.readouterr()
    assert run(monkeypatch, "bundle", "verify", made, "--pub", pub, "--json") == 0
    verified = json.loads(capsys.readouterr().out)
    assert verified["manifest"]["version"] == 4
    assert verified["parity_worst"] <= 1e-5
    assert "flat-white" in verified["offers"]
    first = made.read_bytes()
    dated = (*command, "--created", "2026-11-01", "--expires", "2036-01-01")
    assert [run(monkeypatch, *dated), made.read_bytes() != first] == [0, True]
    second = made.read_bytes()
    assert [run(monkeypatch, *dated), made.read_bytes()] == [0, second]


def test_a_trained_folder_can_be_the_champion_of_a_comparison(model: Path) -> None:
    champion = read_champion(model, KEY.public_key())
    assert champion.inputs.columns == read_report(model).model.columns
    rows = champion.inputs.drawn(0, 32, 0.2)
    assert len(set(scores(champion.scorer, rows).tolist())) > 5


def test_priors_are_bundled_and_patterns_that_the_model_does_not_read_are_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file that `priors` writes, byte for byte; a prior of another campaign or a pattern that cannot act is refused."""
    patterns, priors, made, pub = (tmp_path / name for name in ("patterns.json", "priors.json", "street.bundle", "k.pub"))
    patterns.write_bytes(encode_pattern_file(value_rules([rule()], {"b": 500.0}).kept))
    draws, columns = np.random.default_rng(3), read_report(model).model.columns
    rows = draws.random((60, len(columns))).astype(np.float32)
    rows[::4, 2] = np.nan
    start = fit_priors("flat-white", columns, rows, (rows[:, 0] > 0.5).astype(np.int64), at_ms=1_800_000_000_000)
    priors.write_bytes(msgspec.json.encode((start,)))
    run(monkeypatch, "keygen", "--out", tmp_path / "k")
    command = ("bundle", "make", "--model", model, "--campaign", DEMO / "campaign.toml", "--key", tmp_path / "k.key", "--out", made)
    assert run(monkeypatch, *command, "--patterns", patterns) == 1
    assert "bad_patterns: no attribute of the model takes patterns" in " ".join(capsys.readouterr().err.split())
    assert run(monkeypatch, *command, "--priors", priors) == 0
    opened = open_bundle(made, read_public_keys(pub), None)
    assert opened.patterns is None
    assert msgspec.json.encode(opened.priors) == priors.read_bytes()
    capsys.readouterr()
    assert run(monkeypatch, "bundle", "show", made, "--pub", pub, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    calibration = json.loads((model / "report.json").read_text("utf-8"))["calibration"]
    assert (shown["groups"], shown["priors"], shown["manifest"]["model"]["calibration"]) == ([], ["flat-white"], calibration)
    assert run(monkeypatch, "bundle", "show", made, "--pub", pub) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "for flat-white" in text
    assert calibration in text
    priors.write_bytes(msgspec.json.encode((msgspec.structs.replace(start, offer="of-yesterday"),)))
    assert run(monkeypatch, *command, "--priors", priors) == 1
    assert "bad_priors: 'of-yesterday' is not an offer of the campaign" in capsys.readouterr().err
    patterns.write_bytes(patterns.read_bytes().replace(b'"worth_minor": ', b'"worth_minor": -'))
    assert run(monkeypatch, *command, "--patterns", patterns) == 1
    assert "bad_patterns: Expected `float` > 0" in capsys.readouterr().err


def test_an_expired_bundle_is_shown_but_not_verified(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "keygen", "--out", tmp_path / "k")
    options = ("--campaign", DEMO / "campaign.toml", "--key", tmp_path / "k.key", "--created", "2026-01-01", "--expires", "2026-01-02")
    assert run(monkeypatch, "bundle", "make", "--model", model, "--out", tmp_path / "old.bundle", *options) == 0
    assert run(monkeypatch, "bundle", "show", tmp_path / "old.bundle", "--pub", tmp_path / "k.pub") == 0
    capsys.readouterr()
    assert run(monkeypatch, "bundle", "verify", tmp_path / "old.bundle", "--pub", tmp_path / "k.pub") == 1
    assert capsys.readouterr().err.startswith("error: expired: ")


def test_evaluating_on_the_training_table_warns(
    model: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "evaluate", "--table", table, "--model", model, "--json") == 0
    own_run = capsys.readouterr()
    assert "too optimistic" in own_run.err
    fresh = tables.write(tmp_path / "fresh.csv", tables.planted(40, 10, seed=2))
    assert run(monkeypatch, "evaluate", "--table", fresh, "--model", model, "--json") == 0
    fresh_run = capsys.readouterr()
    assert "too optimistic" not in fresh_run.err
    figures = json.loads(fresh_run.out)
    assert figures["respondents"] == 40
    assert 0.7 < figures["model"]["auc"]["value"] < json.loads(own_run.out)["model"]["auc"]["value"]


def test_comparing_writes_nothing(table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(table.parent.iterdir())
    assert run(monkeypatch, "evaluate", "--table", table, *COUPON, "--estimators", "boosting,logistic") == 0
    printed = capsys.readouterr().out
    assert "on rows that took no part in the choice: AUC" in printed
    assert "above plain logistic" in printed
    assert "100 further people will show an AUC within" in printed
    assert sorted(table.parent.iterdir()) == before


def test_the_html_report_has_out_of_fold_figures(
    table: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its AUC is near the champion's of the comparison, and below that of a model fitted to these respondents; every kind has a line."""
    report, optimistic = tmp_path / "report.html", tmp_path / "optimistic.html"
    assert run(monkeypatch, "evaluate", "--table", table, *COUPON, "--estimators", "logistic", "--page", report, "--json") == 0
    auc = json.loads(capsys.readouterr().out)["champion"]["auc"]["value"]
    text = report.read_text("utf-8")
    assert abs(_printed_auc(text) - auc) < 0.005  # one repetition of the folds, and the mean of all
    assert "planted.csv (logistic)" in text
    assert "coffee_house" in text
    assert run(monkeypatch, "evaluate", "--table", table, "--model", model, "--page", optimistic) == 0
    assert "these figures are too optimistic" in " ".join(capsys.readouterr().err.split())
    assert _printed_auc(optimistic.read_text("utf-8")) > auc + 0.005


def _printed_auc(text: str) -> float:
    """The AUC in an HTML report."""
    return float(re.findall(r"<b>([0-9.]+) [^<]*</b>AUC", text)[0])


def test_faults_are_one_line_and_exit_1(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ten = tables.write(tmp_path / "ten.csv", tables.planted(5, 2, seed=1))
    lacking = tables.write(tmp_path / "lacking.csv", tables.planted(5, 2, seed=1), tuple(name for name in tables.HEADER if name != "Y"))
    same = tables.write(tmp_path / "same.csv", [row | {"Y": "1"} for row in tables.planted(40, 10, seed=1)])
    shutil.copy(DEMO / "schema.toml", tmp_path / "not.pem")
    run(monkeypatch, "keygen", "--out", tmp_path / "k")
    capsys.readouterr()
    bundled = (
        "bundle",
        "make",
        "--model",
        tmp_path,
        "--campaign",
        DEMO / "campaign.toml",
        "--key",
        tmp_path / "k.key",
        "--out",
        tmp_path / "b",
    )
    for arguments, why in (
        (("train", "--table", ten, *COUPON, "--out", tmp_path / "m"), "too few"),
        (("train", "--table", lacking, *COUPON, "--out", tmp_path / "m"), "no column 'Y'"),
        (("train", "--table", same, *COUPON, "--out", tmp_path / "m"), "in every row"),
        (("keygen", "--out", tmp_path / "k"), "exists already"),
        (bundled, "holds no report.json"),
        (("bundle", "verify", table, "--pub", tmp_path / "k.pub"), "not_a_bundle"),
        (("bundle", "verify", DEMO / "street.bundle", "--pub", tmp_path / "k.pub"), "bad_signature"),
        (("bundle", "verify", DEMO / "street.bundle", "--pub", tmp_path / "not.pem"), "not a public key"),
    ):
        assert run(monkeypatch, *arguments) == 1, arguments
        printed = capsys.readouterr()
        *progress, error = printed.err.splitlines()
        assert error.startswith("error: "), arguments
        assert why in error
        assert not [line for line in progress if not line.startswith(("reading ", "looking "))]
        assert printed.out == ""
    assert not (tmp_path / "m").exists()


def test_wrong_use_exits_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "train", "--table", tmp_path / "absent.csv", "--out", tmp_path) == 2
    assert run(monkeypatch, "tarin") == 2


@pytest.mark.parametrize("command", ["train", "evaluate", "keygen", "bundle make", "bundle verify", "bundle show"])
def test_help_has_an_example(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run(monkeypatch, *command.split(), "--help") == 0
    assert f"wayside-models {command}" in capsys.readouterr().out


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command below a command or group, with its full name."""
    for part, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{name} {part}")
    if not hasattr(command, "commands"):
        yield name.strip(), command


def test_every_argument_and_option_has_a_help_text() -> None:
    silent = {name: [of.name for of in command.params if not of.help] for name, command in commands(typer.main.get_command(cli.app))}
    assert len(silent) > 15
    assert not any(silent.values()), silent
