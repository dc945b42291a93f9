"""Every estimator gives the same probabilities as ONNX, on any table and on rows of extreme values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier

from gateway.adapters.bundle import MODEL_BYTES_MAX
from gateway.adapters.onnx_graph import OPS_ALLOWED, operators
from gateway.adapters.onnx_scorer import OnnxScorer
from models import export
from models.arrays import Rows
from models.propensity import conversion
from models.propensity.base import Classifier
from models.propensity.boosting import Recipe
from models.propensity.calibration import Calibration, Isotonic, Sigmoid
from models.propensity.chaid import Chaid
from models.propensity.conversion import entry_of, to_onnx
from models.propensity.estimators import NAMES, Fitted, fit_estimator
from models.propensity.hybrid import Hybrid
from models.propensity.logistic import Logistic
from models.propensity.mlp import Mlp
from models.propensity.naive_bayes import NaiveBayes
from models.propensity.per_parameter import PerParameter
from models.propensity.speed import synthetic_training_set
from models.tables.coupon import INPUTS
from models.training import feature_estimators

WIDTH = len(INPUTS.columns)  # the device's scorer takes no other
QUICK = (Recipe(rounds=30, rate=0.2, depth=3, leaf_rows_min=10),)
EXTREMES = np.array([np.nan, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-38, -0.0, 0.5, 1e6], np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_every_estimator_ships(name: str) -> None:
    """2,048 rows (half of them extreme), at most 1e-5 apart, at most 1 MB, one probability out, allowed operators only."""
    (estimator,) = feature_estimators(INPUTS, [name], QUICK)
    exported = export.export(fit_estimator(estimator, synthetic_training_set(0, 1_200), 0), INPUTS, seed=1)
    assert len(exported.rows) >= 1_000
    assert exported.parity_worst <= 1e-5
    assert len(exported.model) <= MODEL_BYTES_MAX
    assert operators(exported.model) <= OPS_ALLOWED
    assert np.ptp(exported.expected) > 0.1  # equal answers would not test parity
    assert OnnxScorer(exported.model, exported.entry).score(exported.rows[:1]).shape == (1,)


def makers(seed: int) -> list[Classifier]:
    recipe = Recipe(rounds=8, rate=0.3, depth=3, leaf_rows_min=5)
    return [
        Logistic(),
        Chaid(0.5, depth_max=4, leaf_rows_min=5, nominal=(0, 3), prune=False, seed=seed),
        Mlp(rounds=20, seed=seed),
        recipe.make(seed=seed),
        PerParameter(),
        Hybrid(dummies=(1, 2)),
        NaiveBayes(),
    ]


def a_table(seed: int) -> tuple[Rows, np.ndarray]:
    """Columns of every sort: codes, flags, heavy tails, huge offsets, constants, all unknown, a few absurd values."""
    draws = np.random.default_rng(seed)
    rows = int(draws.integers(60, 300))
    sorts = (
        lambda: draws.integers(0, 6, rows).astype(np.float64),
        lambda: draws.integers(0, 2, rows).astype(np.float64),
        lambda: draws.normal(size=rows),
        lambda: draws.standard_cauchy(rows) * 1e3,
        lambda: 1e6 + draws.normal(size=rows),
        lambda: np.full(rows, draws.normal()),
        lambda: np.full(rows, np.nan),
        lambda: np.exp(draws.normal(size=rows) * 20),
    )
    x = np.column_stack([sorts[draws.integers(len(sorts))]() for _ in range(WIDTH)]).astype(np.float32)
    x[:, [0, 3]] = draws.integers(0, 6, (rows, 2))
    x[draws.random(x.shape) < draws.choice([0.0, 0.05, 0.4])] = np.nan
    taken = draws.integers(0, 2, rows)
    taken[:2] = (0, 1)
    return x, taken


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 100_000))
def test_parity_on_any_table(seed: int) -> None:
    rows, taken = a_table(seed)
    draws = np.random.default_rng(seed)
    extreme = np.where(draws.random((80, WIDTH)) < 0.3, draws.choice(EXTREMES, (80, WIDTH)), rows[draws.integers(len(rows), size=80)])
    extreme = np.vstack((rows, extreme, np.tile(EXTREMES[:, np.newaxis], WIDTH))).astype(np.float32)
    at = np.sort(draws.normal(size=4) * 2)
    bends: list[Calibration] = [
        Sigmoid(0.7, 0.3),
        Isotonic(at + np.arange(4) * 0.4, np.array([-2.0, -1.0, -1.0, 1.5])),
        Isotonic(at[:1], at[:1]),
    ]
    for model in makers(seed):
        model.fit(rows, taken)
        fitted = Fitted("any", "", model, bends[seed % 3])
        content = to_onnx(fitted, WIDTH)
        OnnxScorer(content, entry_of(content, INPUTS.columns)).check_parity(extreme, fitted.propensity(extreme).astype(np.float32))


def test_a_wrong_calibration_fails_parity() -> None:
    """The control: parity fails at a thousandth of log-odds."""
    rows, taken = a_table(7)
    model = Logistic().fit(rows, taken)
    content = to_onnx(Fitted("any", "", model, Sigmoid(1.0, 1e-3)), WIDTH)
    with pytest.raises(Exception, match="parity_differs"):
        OnnxScorer(content, entry_of(content, INPUTS.columns)).check_parity(
            rows, Fitted("any", "", model, Sigmoid(1.0, 0.0)).propensity(rows).astype(np.float32)
        )


class StockNetwork(Mlp):
    """A network that is left to skl2onnx's own converter for regressors, which ends in a Reshape."""

    def parts(self) -> tuple[object, ...]:
        return (self._model,)


def test_operators_that_a_gateway_refuses_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(conversion._ALIASES, MLPClassifier, "SklearnMLPRegressor")
    monkeypatch.setattr(conversion, "OPS_ALLOWED", OPS_ALLOWED - {"Reshape"})
    network = StockNetwork(rounds=5).fit(*a_table(7))
    with pytest.raises(RuntimeError, match="'Reshape' is not white listed"):
        to_onnx(Fitted("any", "", network, Sigmoid(1.0, 0.0)), WIDTH)
