"""Uplift learners, their choice, checks of the trial, and the two commands, on trials with a planted effect."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from gateway.adapters.bundle import MODEL, open_bundle, read_public_keys
from gateway.adapters.onnx_scorer import OnnxScorer, ScorerError, load_scorer
from gateway.runtime.model_check import check_model
from models.arrays import Rows
from models.measures import Interval
from models.uplift import choice
from models.uplift.checks import TrialError, check_arms, check_randomised
from models.uplift.export import TREATED, UNTREATED, export_uplift
from models.uplift.learners import LEARNERS
from models.uplift.loading import TrialRoles, load_trial
from models.uplift.trial import Trial, trial_of
from tests.house.tree import ROOT
from tests.models.history.tables import run


def quiet(_: str) -> None:
    """A `step` that shows no progress."""


def planted(rows: int, seed: int, *, effect: float = 0.25, bent: bool = False) -> Trial:
    """The treatment works where the first column is above 0, or if `bent` where two columns have the same sign; some values are unknown."""
    draws = np.random.default_rng(seed)
    columns = draws.normal(size=(rows, 4)).astype(np.float32)
    treated = draws.integers(0, 2, rows)
    works = (columns[:, 0] * columns[:, 1] > 0) if bent else columns[:, 0] > 0
    happened = draws.random(rows) < 0.2 + 0.1 * (columns[:, 2] > 0) + effect * (works & (treated == 1))
    columns[draws.random(columns.shape) < 0.05] = np.nan
    return trial_of(columns, treated, happened.astype(np.int64))


# --- learners and export ------------------------------------------------------------------------
@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_finds_the_effect_and_is_exported(name: str) -> None:
    trial = planted(3_000, 0)
    fitted = LEARNERS[name](trial, 0)
    effects = fitted.uplift(trial.rows)
    works = trial.rows[:, 0] > 0.5
    assert effects[works].mean() > effects[trial.rows[:, 0] < -0.5].mean() + 0.1
    treated, untreated = fitted.probabilities(trial.rows)
    assert ((treated >= 0) & (treated <= 1) & (untreated >= 0) & (untreated <= 1)).all()
    exported = export_uplift(fitted, ("a", "b", "c", "d"), _rows(), 0)
    assert exported.parity_worst < 1e-5
    assert exported.entry.output == TREATED
    assert not np.allclose(exported.treated, exported.untreated)
    scorer = OnnxScorer(exported.model, exported.entry)
    assert scorer.score(exported.rows[:64]) == pytest.approx(exported.treated[:64], abs=1e-5)
    assert scorer.untreated(exported.rows[:64]) == pytest.approx(exported.untreated[:64], abs=1e-5)


def _rows() -> Rows:
    rows = np.random.default_rng(1).normal(size=(300, 4)).astype(np.float32)
    rows[::7, 1] = np.nan
    return rows


# --- choice -------------------------------------------------------------------------------------
TWO = {name: LEARNERS[name] for name in ("T", "S")}


def test_where_learners_do_not_differ_the_simplest_is_chosen() -> None:
    assert choice.choose(planted(3_000, 2), 0, quiet, TWO) == "T"
    assert choice.choose(planted(3_000, 2, effect=0.0), 0, quiet, TWO) == "T"


def test_a_learner_that_is_better_beyond_chance_is_chosen() -> None:
    """The effect has no linear part, so two logistic regressions find nothing of it."""
    assert choice.choose(planted(12_000, 3, effect=0.5, bent=True), 0, quiet, TWO) == "S"


def test_units_stay_on_one_side_of_a_split() -> None:
    trial = planted(900, 4)._replace(units=np.arange(900) // 3)
    tested = []
    for train, test in choice.splits(trial, 3, 0):
        assert not set(trial.units[train]) & set(trial.units[test])
        tested += test.tolist()
    assert sorted(tested) == list(range(900))


# --- checks -------------------------------------------------------------------------------------
def test_a_treatment_that_columns_predict_is_refused_and_the_column_named() -> None:
    trial = planted(2_000, 5)
    draws = np.random.default_rng(0)
    assert check_randomised(trial, ("a", "b", "c", "d"), 0, quiet).low < 0.5
    chosen = trial._replace(treated=(draws.random(2_000) < np.where(trial.rows[:, 1] > 0, 0.7, 0.4)).astype(np.int64))
    with pytest.raises(TrialError, match=r"was not randomised: the columns predict it with an AUC of 0.6.* first of all b"):
        check_randomised(chosen, ("a", "b", "c", "d"), 0, quiet)


def test_a_tiny_arm_and_a_constant_outcome_are_refused() -> None:
    trial = planted(2_000, 6)
    with pytest.raises(TrialError, match=r"100 rows .5.0%. are treated: at least 500"):
        check_arms(trial._replace(treated=(np.arange(2_000) < 100).astype(np.int64)))
    with pytest.raises(TrialError, match="all 2,000 rows have the same outcome"):
        check_arms(trial._replace(outcome=np.ones(2_000, np.int64)))
    with pytest.raises(TrialError, match=r"of .* treated rows have the rarer outcome"):
        check_arms(trial._replace(outcome=((trial.treated == 0) & (np.arange(2_000) % 2 == 0)).astype(np.int64)))


# --- tables and commands ------------------------------------------------------------------------
def _table(path: Path, trial: Trial) -> Path:
    """The trial as a CSV file with three arms, a category, an id and a column that is written afterwards."""
    columns = {f"x{number}": trial.rows[:, number] for number in range(4)}
    arms = np.where(trial.treated == 1, "mail", "nothing")
    arms[::50] = "post"
    table = pd.DataFrame(columns | {"town": np.where(trial.rows[:, 3] > 0, "north", "south"), "id": [f"c{n}" for n in range(len(arms))]})
    table = table.assign(arm=arms, visit=trial.outcome, clicked=trial.treated * trial.outcome, country="x")
    table.to_csv(path, index=False)
    return path


ROLES = TrialRoles("arm", "visit", drop=("clicked",), treated="mail", control="nothing")


def test_a_table_is_read_by_roles(tmp_path: Path) -> None:
    trial = planted(1_000, 7)
    read = load_trial(_table(tmp_path / "mails.csv", trial), ROLES)
    assert read.inputs.columns[:4] == ("x0", "x1", "x2", "x3")
    assert set(read.inputs.columns[4:]) == {"town_north", "town_south"}
    assert {"id", "country", "clicked", "visit"} <= read.left_out.keys()
    assert read.counts.refused == {"other_arm": 20}
    assert set(read.treatment) == {"arm_nothing", "arm_mail", "arm_post"}
    kept = np.arange(1_000) % 50 != 0
    assert read.trial.treated.tolist() == trial.treated[kept].tolist()
    assert np.allclose(read.trial.rows[:, :4], trial.rows[kept], equal_nan=True, atol=1e-6)


def test_wrong_columns_are_named_with_their_values(tmp_path: Path) -> None:
    path = _table(tmp_path / "mails.csv", planted(1_000, 8))
    with pytest.raises(TrialError, match=r"'arm' is not 0 or 1 but has the values .*post \(20\); name the two arms with --treated"):
        load_trial(path, TrialRoles("arm", "visit"))
    with pytest.raises(TrialError, match="no column 'arms'; the nearest is 'arm'"):
        load_trial(path, TrialRoles("arms", "visit"))
    with pytest.raises(TrialError, match="no row has 'letter' in 'arm'"):
        load_trial(path, ROLES._replace(treated="letter"))
    with pytest.raises(TrialError, match="no row has 'none' in 'arm', which is read as unknown"):
        load_trial(path, ROLES._replace(control="none"))
    with pytest.raises(TrialError, match="the treatment 'country' cannot be used"):
        load_trial(path, TrialRoles("country", "visit"))


def test_a_treatment_of_0_and_1_needs_no_names(tmp_path: Path) -> None:
    trial = planted(1_000, 9)
    table = pd.DataFrame({f"x{number}": trial.rows[:, number] for number in range(4)} | {"w": trial.treated, "y": trial.outcome})
    table.to_csv(tmp_path / "w.csv", index=False)
    assert load_trial(tmp_path / "w.csv", TrialRoles("w", "y")).trial.treated.tolist() == trial.treated.tolist()


ARMS = ("--treatment", "arm", "--outcome", "visit", "--treated", "mail", "--control", "nothing")


def test_training_and_evaluation_by_commands_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table, later, out = (
        _table(tmp_path / "mails.csv", planted(2_500, 10)),
        _table(tmp_path / "later.csv", planted(2_000, 11)),
        tmp_path / "m",
    )
    assert run(monkeypatch, "uplift", "train", "--table", table, *ARMS, "--drop", "clicked", "--learners", "T,S", "--out", out) == 0
    printed = capsys.readouterr().out
    assert "50 treated" not in printed
    assert "the treatment is random as far as the columns show" in printed
    assert f"outputs {TREATED} and {UNTREATED}" in printed
    assert (out / MODEL).exists()
    assert run(monkeypatch, "uplift", "evaluate", "--table", later, *ARMS, "--model", out, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    qini, trained = (Interval(**found[name]["qini"]) for name in ("ranking", "trained"))
    assert qini.low > 0
    assert trained.low - 0.02 < qini.value < trained.high + 0.02
    assert found["ranking"]["uplift_at"]["30%"]["value"] > 0.1
    _signed(out, tmp_path, monkeypatch)


def _signed(model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`bundle make` takes the folder, and a gateway that opens the bundle has both outputs."""
    text = (ROOT / "deploy/worlds/street/campaign.toml").read_text("utf-8")
    campaign = folder / "campaign.toml"
    campaign.write_text(re.sub(r"(?m)^category = .*$", 'category = "any"', text), "utf-8")
    assert run(monkeypatch, "keygen", "--out", folder / "k") == 0
    made = ("--model", model, "--campaign", campaign, "--key", folder / "k.key", "--out", folder / "a.bundle")
    assert run(monkeypatch, "bundle", "make", *made) == 0
    opened = open_bundle(folder / "a.bundle", read_public_keys(folder / "k.pub"), None)
    assert opened.manifest.metrics["qini"] > opened.manifest.metrics["qini_low"] > 0
    scorer = load_scorer(opened.model)
    untreated = scorer.untreated(opened.model.rows[:64])
    assert untreated is not None
    assert not np.allclose(untreated, scorer.score(opened.model.rows[:64]))
    stated = opened.model.untreated
    assert stated is not None
    assert untreated == pytest.approx(stated[:64], abs=1e-5)
    for wrong in (stated + np.float32(2e-5), None):
        with pytest.raises(ScorerError, match=r"'untreated' differ by|needs `untreated\.npy`"):
            check_model(msgspec.structs.replace(opened.model, untreated=wrong))


def test_commands_refuse_a_trial_with_a_column_written_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = _table(tmp_path / "mails.csv", planted(2_500, 12))
    assert run(monkeypatch, "uplift", "train", "--table", table, *ARMS, "--out", tmp_path / "m") == 1
    assert "was not randomised" in (text := " ".join(capsys.readouterr().err.split()))
    assert "first of all clicked" in text
    assert not (tmp_path / "m").exists()
    (tmp_path / "empty").mkdir()
    assert run(monkeypatch, "uplift", "evaluate", "--table", table, *ARMS, "--model", tmp_path / "empty") == 1
    assert "make it with `wayside-models uplift train --out" in capsys.readouterr().err
