"""An exported model gives the same probabilities, and no row of the training set is stored with it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from gateway.adapters.onnx_scorer import OnnxScorer, ScorerError
from gateway.core import limits
from models import export, training
from models.arrays import Rows
from models.dataset.loading import LoadedTable
from models.propensity.boosting import Boosting, Recipe, rounded_down
from models.propensity.calibration import Sigmoid
from models.propensity.conversion import entry_of, to_onnx
from models.propensity.estimators import Fitted
from models.propensity.masking import mask
from tests.models import tables


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> LoadedTable:
    return tables.load(tables.write(tmp_path_factory.mktemp("tables") / "planted.csv", tables.planted(60, 20, seed=1)))


@pytest.fixture(scope="module")
def champion(table: LoadedTable) -> Fitted:
    (estimator,) = training.feature_estimators(table.inputs, ["boosting"], (Recipe(rounds=60, rate=0.1, depth=5, leaf_rows_min=10),))
    return training.fit_champion(table.data, 0, estimator)


@pytest.fixture(scope="module")
def exported(champion: Fitted, table: LoadedTable) -> export.Exported:
    return export.export(champion, table.inputs, seed=0)


def test_parity_on_synthetic_rows(exported: export.Exported) -> None:
    assert len(exported.rows) >= 1_000
    assert exported.parity_worst <= 1e-5
    assert len(exported.model) <= 1_048_576
    assert np.ptp(exported.expected) > 0.3  # equal probabilities would not test parity


def test_parity_on_rows_of_every_kind(exported: export.Exported, champion: Fitted, table: LoadedTable) -> None:
    """The table's rows, the same with masked values, and rows that are unknown throughout or far out of range."""
    odd = np.array([[np.nan], [np.inf], [-np.inf], [1e30], [-1e-30], [0.0]], np.float32) * np.ones(len(table.inputs.columns), np.float32)
    rows = np.vstack((table.data.rows, mask(table.data.rows, table.inputs, 9), odd))
    scorer = OnnxScorer(exported.model, exported.entry)
    assert np.isnan(rows).any()
    assert scorer.check_parity(rows, champion.propensity(rows).astype(np.float32)) <= 1e-5


class Unrounded(Boosting):
    """Boosting whose splits are left to skl2onnx, which rounds to the nearest float32. All columns of the table vary."""

    def parts(self) -> tuple[object, ...]:
        return (self._trees,)


def on_splits(model: Boosting, rows: Rows) -> Rows:
    """A copy of a row for each split of the trees, with the float32 nearest to the split in the split's column."""
    nodes = np.concatenate([predictor.nodes for (predictor,) in model._trees._predictors])
    inner = nodes[nodes["is_leaf"] == 0]
    copies = np.resize(rows, (len(inner), rows.shape[1]))
    copies[np.arange(len(inner)), model._used[inner["feature_idx"]]] = inner["num_threshold"]
    return copies


@pytest.mark.parametrize(("kind", "some_differ"), [(Boosting, False), (Unrounded, True)])
def test_rows_exactly_on_a_split_answer_the_same_because_splits_are_rounded_down(kind: type[Boosting], *, some_differ: bool) -> None:
    """Where a column has few values, splits lie halfway between two of them, which mostly is no float32."""
    draws = np.random.default_rng(0)
    rows = draws.choice(draws.normal(size=100), (2_000, 25)).astype(np.float32)
    taken = (rows[:, :5].sum(axis=1) + draws.normal(size=2_000) > 0).astype(np.int64)
    model = kind(rounds=60, rate=0.1, depth=5, leaf_rows_min=10).fit(rows, taken)
    fitted, asked = Fitted("boosting", "", model, Sigmoid(1.0, 0.0)), on_splits(model, rows)
    content = to_onnx(fitted, 25)
    scorer = OnnxScorer(content, entry_of(content, tuple(f"c{at}" for at in range(25))))
    parts = np.split(asked, range(limits.SCORE_ROWS_MAX, len(asked), limits.SCORE_ROWS_MAX))
    answers = np.concatenate([scorer.score(part) for part in parts])
    differing = int((np.abs(answers - fitted.propensity(asked)) > 1e-5).sum())
    assert len(asked) > 1_000
    assert differing > 100 if some_differ else differing == 0


def test_splits_are_rounded_down() -> None:
    splits = np.array([0.1, 0.25, 1 / 3, 5.833333333333333, -0.1, np.inf])
    rounded = rounded_down(splits)
    assert np.all(rounded.astype(np.float64) <= splits)
    assert np.all(np.nextafter(rounded, np.float32(np.inf)).astype(np.float64)[:-1] > splits[:-1])


def test_no_row_of_the_table_is_stored(exported: export.Exported, table: LoadedTable) -> None:
    trained = {row.tobytes() for row in table.data.rows}
    assert not trained & {row.tobytes() for row in exported.rows}
    # They depend on the seed alone.
    assert np.array_equal(exported.rows, exported.inputs.drawn(0, export.PARITY_ROWS, export.UNKNOWN), equal_nan=True)


def test_each_source_is_unknown_at_times(exported: export.Exported) -> None:
    unknown = {name for name, column in zip(exported.inputs.columns, exported.rows.T, strict=True) if np.isnan(column).any()}
    assert unknown == {name for name in exported.inputs.columns if name.startswith(("weather", "temperature", "visits"))}


def test_the_same_champion_gives_the_same_bytes(champion: Fitted, exported: export.Exported) -> None:
    assert to_onnx(champion, len(exported.inputs.columns)) == exported.model


def test_saved_parity_rows_are_plain_numpy(exported: export.Exported, tmp_path: Path) -> None:
    exported.save(tmp_path / "model")
    with np.load(io.BytesIO((tmp_path / "model" / "parity.npz").read_bytes()), allow_pickle=False) as parity:
        assert np.array_equal(parity["rows"], exported.rows, equal_nan=True)
        assert parity["expected"].tolist() == exported.expected.tolist()


def test_a_wrong_calibration_fails_parity(exported: export.Exported, champion: Fitted) -> None:
    assert isinstance(champion.calibration, Sigmoid)
    slipped = champion._replace(calibration=champion.calibration._replace(intercept=champion.calibration.intercept + 1e-3))
    with pytest.raises(ScorerError, match="parity_differs"):
        OnnxScorer(to_onnx(slipped, len(exported.inputs.columns)), exported.entry).check_parity(exported.rows, exported.expected)


def test_a_model_too_large_for_a_bundle_is_not_exported(champion: Fitted, exported: export.Exported) -> None:
    with pytest.raises(export.ExportError, match="fewer rounds or less depth"):
        export.export(champion, exported.inputs, seed=0, bytes_max=len(exported.model) - 1)
