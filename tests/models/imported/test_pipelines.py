"""Pipelines of scikit-learn, as skl2onnx writes them: the gateway's scorer gives the probabilities of `predict_proba`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from skl2onnx import to_onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, PolynomialFeatures

from gateway.core.bundle import NamedInput
from gateway.runtime.model_check import check_model
from models.imported.errors import ImportedError
from models.imported.importing import import_model
from models.imported.table import Table
from tests.models.imported.museum import NUMBERS, SCHEMA, TICKETS, pipeline, visitors, written

PIPELINES: dict[str, Callable[[], Any]] = {
    "logistic regression": pipeline,
    "trees on unknown values": lambda: pipeline(HistGradientBoostingClassifier(max_iter=8), numbers="passthrough"),
    "gradient boosting": lambda: pipeline(GradientBoostingClassifier(n_estimators=8)),
    "forest": lambda: pipeline(RandomForestClassifier(5, max_depth=4, random_state=0)),
    "network": lambda: pipeline(MLPClassifier((4,), max_iter=500, random_state=0)),
    "naive Bayes": lambda: pipeline(GaussianNB()),
    "ordinal codes": lambda: pipeline(texts=OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)),
    "filled texts": lambda: pipeline(
        texts=make_pipeline(
            SimpleImputer(missing_values="", strategy="constant", fill_value="none"), OneHotEncoder(handle_unknown="ignore")
        )
    ),
    "sigmoid calibration": lambda: pipeline(CalibratedClassifierCV(LogisticRegression(), cv=2)),
    "isotonic calibration": lambda: pipeline(CalibratedClassifierCV(HistGradientBoostingClassifier(max_iter=4), cv=2, method="isotonic")),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_scores_on_a_gateway_as_in_scikit_learn(name: str, tmp_path: Path) -> None:
    fitted, (table, _) = PIPELINES[name](), visitors()
    imported = import_model(written(to_onnx(fitted, table[:1]), tmp_path), SCHEMA, seed=0)
    assert imported.model.entry.inputs == (NamedInput("ticket", TICKETS), *(NamedInput(number) for number in NUMBERS))
    assert imported.parity_worst <= 1e-6
    table.to_csv(tmp_path / "visitors.csv", index=False)
    rows = Table(tmp_path / "visitors.csv").rows(imported.inputs)
    scores = imported.scores(rows)
    differing = np.abs(scores - fitted.predict_proba(table)[:, 1]) > 1e-5
    assert differing.mean() < (0.02 if "calibration" in name else 1e-9)  # isotonic steps are float32 in the file
    assert np.isnan(imported.model.rows).any()


def test_a_probability_is_found_with_and_without_the_mapping_of_labels(tmp_path: Path) -> None:
    fitted, (table, _) = pipeline(), visitors()
    mapped = import_model(written(to_onnx(fitted, table[:1]), tmp_path), SCHEMA, seed=0)
    plain = import_model(written(to_onnx(fitted, table[:1], options={"zipmap": False}), tmp_path), SCHEMA, seed=0)
    assert mapped.model.expected.tolist() == plain.model.expected.tolist()
    assert mapped.model.entry.ops == plain.model.entry.ops
    assert not {"ai.onnx.ml.ZipMap", "Cast"} & set(mapped.model.entry.ops)  # the label and its mapping are cut off


def test_the_gateway_takes_an_imported_pipeline(tmp_path: Path) -> None:
    imported = import_model(written(to_onnx(pipeline(), visitors()[0][:1]), tmp_path), SCHEMA, seed=0)
    check_model(imported.model)


def numbers_only(columns: list[str]) -> Any:
    """A pipeline with one input a column."""
    return make_pipeline(ColumnTransformer([("numbers", "passthrough", columns)]), LogisticRegression(max_iter=1_000))


def test_double_and_whole_numbers_become_float32(tmp_path: Path) -> None:
    """Attributes of the clock are always known, so whole numbers can hold them."""
    draws = np.random.default_rng(0)
    table = pd.DataFrame({"hour": draws.uniform(9, 18, 200), "weekday": draws.uniform(0, 6, 200)})
    taken = (table.hour + draws.normal(0, 1, 200) > 13).astype(int)
    doubles = numbers_only(["hour", "weekday"]).fit(table, taken)
    imported = import_model(written(to_onnx(doubles, table[:1], options={"zipmap": False}), tmp_path), SCHEMA, seed=0)
    assert imported.model.entry.inputs == (NamedInput("hour"), NamedInput("weekday"))
    assert imported.parity_worst < 1e-6
    whole = table[["hour"]].astype(np.int64).assign(weekday=draws.integers(0, 7, 200))
    fitted = numbers_only(["hour", "weekday"]).fit(whole, taken)
    days = import_model(written(to_onnx(fitted, whole[:1], options={"zipmap": False}), tmp_path), SCHEMA, seed=0)
    assert days.model.entry.columns == ("hour", "weekday")
    scores = days.scores(whole[:9].to_numpy(np.float32))
    assert scores.tolist() == pytest.approx(fitted.predict_proba(whole[:9])[:, 1].tolist(), abs=1e-5)


def test_a_matrix_has_the_columns_of_the_schema_or_those_that_are_named(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    rows = draws.normal(10, 5, (300, len(SCHEMA.columns))).astype(np.float32)
    taken = (rows[:, 3] + draws.normal(0, 2, 300) > 10).astype(int)
    whole = make_pipeline(SimpleImputer(), LogisticRegression()).fit(rows, taken)
    entry = import_model(written(to_onnx(whole, rows[:1]), tmp_path), SCHEMA, seed=0).model.entry
    assert (entry.input, entry.columns) == ("X", SCHEMA.columns)
    part = make_pipeline(SimpleImputer(), LogisticRegression()).fit(rows[:, [3, 4]], taken)
    path = written(to_onnx(part, rows[:1, :2]), tmp_path)
    assert import_model(path, SCHEMA, seed=0, columns=["visits", "hour"]).model.entry.columns == ("visits", "hour")
    with pytest.raises(ImportedError, match=r"its input 'X' has 2 columns, the schema has 7: list the columns of the model with --columns"):
        import_model(path, SCHEMA, seed=0)
    with pytest.raises(ImportedError, match=r"'visit' is no column of the schema; did you mean 'visits'\?"):
        import_model(path, SCHEMA, seed=0, columns=["visit", "hour"])
    with pytest.raises(ImportedError, match="has 2 columns, --columns names 3"):
        import_model(path, SCHEMA, seed=0, columns=["visits", "hour", "member"])


def test_an_operator_off_the_list_is_named(tmp_path: Path) -> None:
    numbers = make_pipeline(SimpleImputer(), PolynomialFeatures(2))
    with pytest.raises(
        ImportedError, match="operators that a gateway does not allow: ConstantOfShape, ReduceProd, Shape; leave out the step"
    ):
        import_model(written(to_onnx(pipeline(numbers=numbers), visitors()[0][:1]), tmp_path), SCHEMA, seed=0)
