"""Boosted trees of LightGBM and XGBoost by onnxmltools, and networks in the form that torch.onnx.export writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from gateway.runtime.model_check import check_model
from models.imported.importing import import_model
from tests.models.imported.museum import NUMBERS, SCHEMA, visitors, written


def matrix() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Numbers of the visitors, NaN where unknown, and outcomes."""
    table, taken = visitors()
    return table[NUMBERS].to_numpy(np.float32), taken


def check(model: ModelProto, expected: NDArray[np.float64], folder: Path) -> None:
    """Import a model of one matrix, and compare its scores of the visitors."""
    rows, _ = matrix()
    imported = import_model(written(model, folder), SCHEMA, seed=0, columns=NUMBERS)
    assert imported.scores(rows).tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    assert "ai.onnx.ml.ZipMap" not in imported.model.entry.ops
    check_model(imported.model)


@pytest.mark.parametrize("zipmap", [True, False])
def test_lightgbm(zipmap: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter of the exporter
    rows, taken = matrix()
    fitted = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1).fit(rows, taken)
    model = convert_lightgbm(fitted, initial_types=[("rows", FloatTensorType([None, len(NUMBERS)]))], zipmap=zipmap)
    check(model, np.asarray(fitted.booster_.predict(rows), np.float64), tmp_path)


@pytest.mark.soak
def test_xgboost(tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    from onnxmltools import convert_xgboost  # noqa: PLC0415 - with the optional family only

    rows, taken = matrix()
    fitted = xgboost.XGBClassifier(n_estimators=10, nthread=1).fit(rows, taken)
    model = convert_xgboost(fitted, initial_types=[("rows", FloatTensorType([None, len(NUMBERS)]))])
    check(model, fitted.predict_proba(rows)[:, 1].astype(np.float64), tmp_path)


# --- networks ---------------------------------------------------------------------------------------
DRAWS = np.random.default_rng(2)
INNER, BIAS = DRAWS.normal(0, 0.3, (4, len(NUMBERS))).astype(np.float32), DRAWS.normal(0, 0.3, 4).astype(np.float32)


def network(last: str, outputs: int) -> ModelProto:
    """A network as torch.onnx.export writes it: constants as nodes, weights transposed, names of layers, a free number of rows."""
    outer = (
        np.ones((outputs, 4), np.float32) * np.arange(outputs, dtype=np.float32)[:, np.newaxis]
        if outputs > 1
        else np.ones((1, 4), np.float32)
    )
    nodes = [
        helper.make_node("IsNaN", ["x"], ["isnan"], name="node_isnan"),
        helper.make_node("Constant", [], ["zero"], name="node_zero", value=numpy_helper.from_array(np.array(0.0, np.float32))),
        helper.make_node("Where", ["isnan", "zero", "x"], ["where"], name="node_where"),
        helper.make_node("Gemm", ["where", "0.weight", "0.bias"], ["linear"], name="node_linear", transB=1),
        helper.make_node("Relu", ["linear"], ["relu"], name="node_relu"),
        helper.make_node("Gemm", ["relu", "2.weight"], ["linear_1"], name="node_linear_1", transB=1),
        helper.make_node(last, ["linear_1"], ["chance"], name="node_chance"),
    ]
    graph = helper.make_graph(
        nodes,
        "main_graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", len(NUMBERS)])],
        [helper.make_tensor_value_info("chance", TensorProto.FLOAT, ["n", outputs])],
        [numpy_helper.from_array(value, name) for name, value in (("0.weight", INNER), ("0.bias", BIAS), ("2.weight", outer))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize(("last", "outputs"), [("Sigmoid", 1), ("Softmax", 2)])
def test_a_network_with_one_or_two_outputs(last: str, outputs: int, tmp_path: Path) -> None:
    rows, _ = matrix()
    log_odds = np.maximum(np.nan_to_num(rows) @ INNER.T + BIAS, 0).sum(axis=1)
    check(network(last, outputs), 1 / (1 + np.exp(-log_odds.astype(np.float64))), tmp_path)


@pytest.mark.soak
def test_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Network(torch.nn.Module):  # type: ignore[misc, name-defined]  # torch is not a requirement
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(len(NUMBERS), 4), torch.nn.ReLU(), torch.nn.Linear(4, 1), torch.nn.Sigmoid())

        def forward(self, x: Any) -> Any:
            return self.layers(torch.where(torch.isnan(x), 0.0, x))

    rows, _ = matrix()
    made, path = Network().eval(), tmp_path / "mine.onnx"
    torch.onnx.export(made, (torch.zeros(2, len(NUMBERS)),), str(path), external_data=False, dynamic_shapes={"x": {0: "n"}})
    with torch.no_grad():
        expected = made(torch.from_numpy(rows)).numpy()[:, 0].astype(np.float64)
    check(ModelProto.FromString(path.read_bytes()), expected, tmp_path)
