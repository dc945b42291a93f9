"""The estimators stand wherever one of scikit-learn does: its own checks, a Pipeline, cross-validation, a search, a pickle."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skl2onnx import to_onnx
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.estimator_checks import estimator_checks_generator

from models.imported.importing import import_model
from models.propensity.base import Classifier
from models.propensity.boosting import Boosting
from models.propensity.chaid import Chaid
from models.propensity.hybrid import Hybrid
from models.propensity.logistic import Logistic
from models.propensity.mlp import Mlp
from models.propensity.naive_bayes import NaiveBayes
from models.propensity.per_parameter import PerParameter
from models.propensity.training_set import TrainingError
from tests.models.imported.museum import NUMBERS, SCHEMA, visitors, written

ESTIMATORS: list[Classifier] = [
    Logistic(),
    Chaid(leaf_rows_min=5),
    Mlp(penalty=0.1),
    Boosting(rounds=20, rate=0.2, leaf_rows_min=3, columns_share=1.0),
    PerParameter(),
    Hybrid(),
    NaiveBayes(),
]
IDS = [type(one).__name__ for one in ESTIMATORS]


def _name(check: Any) -> str:
    """The name of a check, which may be a partial function."""
    return str(getattr(check, "func", check).__name__)


CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{_name(check)}")
    for one in ESTIMATORS
    for estimator, check in estimator_checks_generator(one)
    if _name(check) != "check_array_api_input"  # skips itself: it is for estimators that compute on graphics cards
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=IDS)
def test_a_copy_by_pickle_or_clone_forecasts_the_same(estimator: Classifier) -> None:
    table, taken = visitors()
    rows = table[NUMBERS]
    fitted = clone(estimator).fit(rows, taken)
    again = clone(fitted).fit(rows, taken)
    copied = pickle.loads(pickle.dumps(fitted))  # noqa: S301 - made in the same line
    assert fitted.predict_proba(rows).tolist() == again.predict_proba(rows).tolist() == copied.predict_proba(rows).tolist()
    assert not hasattr(clone(fitted), "classes_")


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=IDS)
def test_a_pipeline_with_an_estimator_is_validated_exported_and_imported(estimator: Classifier, tmp_path: Path) -> None:
    table, taken = visitors()
    encoded = ColumnTransformer(
        [("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["ticket"]), ("numbers", "passthrough", NUMBERS)]
    )
    pipeline = make_pipeline(encoded, clone(estimator))
    assert cross_val_score(pipeline, table, taken, scoring="roc_auc", cv=3).mean() > 0.65
    pipeline.fit(table, taken)
    imported = import_model(written(to_onnx(pipeline, table[:1], target_opset={"": 17, "ai.onnx.ml": 3}), tmp_path), SCHEMA, seed=0)
    texts = [[float(value == ticket) if ticket else np.nan for value in ("day", "year", "school")] for ticket in table.ticket]
    rows = np.hstack((np.array(texts), table[NUMBERS].to_numpy())).astype(np.float32)
    assert imported.scores(rows).tolist() == pytest.approx(pipeline.predict_proba(table)[:, 1].tolist(), abs=1e-5)


def test_a_search_chooses_among_settings() -> None:
    table, taken = visitors()
    search = GridSearchCV(Logistic(), {"strength": [1e-6, 1.0]}, scoring="neg_log_loss", cv=3).fit(table[NUMBERS], taken)
    assert search.best_params_ == {"strength": 1.0}


def test_subjects_are_held_out_whole_through_a_pipeline() -> None:
    """`groups` reaches the estimator and the splits by scikit-learn's routing; other groups hold out other rows."""
    table, taken = visitors()
    people = np.arange(len(taken)) // 4
    with config_context(enable_metadata_routing=True):
        tree = Chaid(0.5, leaf_rows_min=5).set_fit_request(groups=True)
        scores = cross_val_score(make_pipeline(tree), table[NUMBERS], taken, cv=GroupKFold(3), params={"groups": people})
    assert scores.min() > 0.5
    grown = [tree.fit(table[NUMBERS], taken, groups=groups).predict_proba(table[NUMBERS]) for groups in (people, people // 10)]
    assert (grown[0] != grown[1]).any()


def test_outcomes_of_any_two_classes() -> None:
    table, taken = visitors()
    named = Logistic().fit(table[NUMBERS], np.where(taken == 1, "taken", "left"))
    assert named.classes_.tolist() == ["left", "taken"]
    assert named.predict_proba(table[NUMBERS]).tolist() == Logistic().fit(table[NUMBERS], taken).predict_proba(table[NUMBERS]).tolist()
    for outcomes in (np.zeros(len(taken)), np.arange(len(taken)) % 3):
        with pytest.raises(TrainingError, match=r"class\(es\): two are needed"):
            Logistic().fit(table[NUMBERS], outcomes)
