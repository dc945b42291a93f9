"""An ONNX file, trained anywhere, as the model of a bundle: matched with a schema, rewritten, and compared with itself as exported.

The stored parity rows are drawn from a seed within the ranges of the schema, or of a table if one is given; no row of a person leaves the
workstation. The stored scores come from the file as it was exported, so that every later step is checked against it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from gateway.adapters.bundle import MODEL_BYTES_MAX
from gateway.adapters.onnx_graph import OPS_ALLOWED
from gateway.adapters.onnx_scorer import PARITY_TOLERANCE, ROUNDING, OnnxScorer
from gateway.core import limits
from gateway.core.attributes.schema import Attribute, Schema
from gateway.core.bundle import LoadableModel, ModelEntry
from models.arrays import Floats, Rows
from models.export import BATCH_ROWS, PARITY_ROWS, UNKNOWN, call_us
from models.imported.encoders import unknown_categories
from models.imported.errors import ImportedError
from models.imported.graph import cut, fold, operator_of, read_model, with_float_inputs, with_float_output
from models.imported.matching import Matched, kind_of, match
from models.imported.outputs import Probability, check_classes, find_probability
from models.imported.session import Session, positive
from models.imported.table import Table
from models.inputs import Inputs
from models.propensity.conversion import slim

BUDGET_US = 2_000.0  # of one call with BATCH_ROWS rows: a small computer may take five times as long, the limit of a gateway
EXPECTED_TOLERANCE = 1e-4  # between float32 on a gateway and float64 in a training library
EXPECTED_SHARE_MAX = 0.01
_RANGE = (0.01, 0.99)  # of the known values of a column


class Imported(NamedTuple):
    """A model ready for a bundle, and its figures: largest difference to the file, microseconds of processor time a call."""

    model: LoadableModel
    inputs: Inputs
    parity_worst: float
    batch_1_us: float
    batch_64_us: float

    def scores(self, rows: Rows) -> Floats:
        """Probabilities (n,) of rows float32 (n, columns) by the gateway's scorer."""
        return scores(OnnxScorer(self.model.onnx, self.model.entry), rows)


class Original:
    """The model as exported, with rows float32 (n, columns) as its input."""

    def __init__(self, model: ModelProto, matched: Matched, probability: Probability) -> None:
        self._inputs, self._matched, self._probability = list(model.graph.input), matched, probability
        self._session = Session(model.SerializeToString())

    def scores(self, rows: Rows) -> Floats:
        """Probabilities (n,). Raises ImportedError if the model fails or its output has another shape."""
        (answer,) = self._session.run([self._probability.output], self._feeds(rows))
        return positive(answer, self._probability.label, len(rows))

    def _feeds(self, rows: Rows) -> Mapping[str, NDArray[Any]]:
        """Arrays of the types that the file declares; zeros or empty texts for inputs that its probability does not need."""
        feeds: dict[str, NDArray[Any]] = {}
        for one in self._inputs:
            kind = np.dtype(object) if kind_of(one) == TensorProto.STRING else helper.tensor_dtype_to_np_dtype(kind_of(one))
            width = one.type.tensor_type.shape.dim[-1].dim_value or 1
            feeds[one.name] = np.full((len(rows), width), "" if kind.hasobject else 0, kind)
        if self._matched.matrix is not None:
            feeds[self._matched.matrix] = rows.astype(feeds[self._matched.matrix].dtype)
        places = {column: at for at, column in enumerate(self._matched.columns)}
        for named in self._matched.inputs:
            held = rows[:, [places[column] for column in named.columns]]
            if named.values:
                texts = [next((value for value, number in zip(named.values, row, strict=True) if number == 1), "") for row in held]
                feeds[named.name][:, 0] = texts
            else:
                feeds[named.name] = held.astype(feeds[named.name].dtype)
        return feeds


def scores(scorer: OnnxScorer, rows: Rows) -> Floats:
    """Probabilities (n,) of any number of rows."""
    starts = range(0, len(rows), limits.SCORE_ROWS_MAX)
    return np.concatenate([scorer.score(rows[start : start + limits.SCORE_ROWS_MAX]) for start in starts]).astype(np.float64)


def import_model(
    path: Path,
    schema: Schema,
    seed: int,
    *,
    table: Table | None = None,
    columns: Sequence[str] | None = None,
    output: str | None = None,
    budget_us: float = BUDGET_US,
) -> Imported:
    """The model in the ONNX file at `path` for a bundle with this schema.

    `table` has rows on which the rewritten model must also score as the file does, `columns` names those of a matrix input, `output` the
    output if there are several. Raises ImportedError with every mismatch, TableError, and ScorerError if a gateway would refuse the model.
    """
    model = read_model(path)
    probability = find_probability(model, output)
    graph = ModelProto()
    graph.CopyFrom(model)
    cut(graph, probability.tensor)
    fold(graph)
    check_classes(graph)
    matched = match(graph, schema, columns)
    if faults := list(unknown_categories(graph, matched)):
        raise ImportedError("\n".join(faults))
    original = Original(model, matched, probability)
    onnx, entry = _rewritten(graph, matched)
    scorer, inputs = OnnxScorer(onnx, entry), Inputs(schema, matched.columns)
    given = np.zeros((0, len(inputs.columns)), np.float32) if table is None else table.rows(inputs)
    rows = ranged(inputs, given).drawn(seed, PARITY_ROWS, UNKNOWN)
    expected = _probabilities(original, rows, inputs)
    if float(np.ptp(expected)) < PARITY_TOLERANCE:
        raise ImportedError(
            f"it gives all {len(rows)} drawn rows the same probability, {expected[0]:.4g}: it uses none of its inputs there"
        )
    worst = scorer.check_parity(rows, expected)
    if len(given):
        worst = max(worst, scorer.check_parity(given, _probabilities(original, given, inputs)))
    imported = Imported(
        model=LoadableModel(onnx, entry, rows, expected),
        inputs=inputs,
        parity_worst=worst,
        batch_1_us=call_us(lambda: scorer.score(rows[:1])),
        batch_64_us=call_us(lambda: scorer.score(rows[:BATCH_ROWS])),
    )
    if imported.batch_64_us > budget_us:
        raise ImportedError(
            f"a call with {BATCH_ROWS} rows takes {imported.batch_64_us:.0f} µs of processor time, the budget is {budget_us:.0f}: "
            "use fewer trees, less depth or smaller layers, or state another --budget-us"
        )
    return imported


def check_expected(imported: Imported, table: Table, column: str) -> None:
    """Compare the scores with the probabilities in a column of the table. Raises ImportedError if too many rows differ.

    Exporters leave out parts of a pipeline without an error (skl2onnx 1.20: the indicators of SimpleImputer), and round the splits of
    trees, so that a value that lies on a split may go the other way.
    """
    expected = table.numbers(column)
    off = np.abs(imported.scores(table.rows(imported.inputs)) - expected)
    wrong = ~(off <= EXPECTED_TOLERANCE)
    if wrong.mean() > EXPECTED_SHARE_MAX:
        raise ImportedError(
            f"the ONNX file scores {int(wrong.sum())} of {len(off)} rows otherwise than {column!r} states, by up to {np.nanmax(off):.2g}: "
            "the exporter changed the model; leave out the step that it cannot express"
        )


def _rewritten(graph: ModelProto, matched: Matched) -> tuple[bytes, ModelEntry]:
    """The bytes of the rewritten model and its entry in the manifest."""
    with_float_inputs(graph)
    with_float_output(graph)
    refused = sorted({operator_of(node) for node in graph.graph.node} - OPS_ALLOWED)
    if refused:
        raise ImportedError(
            f"it uses operators that a gateway does not allow: {', '.join(refused)}; leave out the step that writes them "
            "(allowed are the operators in models/BRING_YOUR_OWN.md)"
        )
    slim(graph)
    onnx: bytes = graph.SerializeToString(deterministic=True)
    if len(onnx) > MODEL_BYTES_MAX:
        raise ImportedError(
            f"it has {len(onnx)} bytes, at most {MODEL_BYTES_MAX} are allowed: use fewer trees, less depth or smaller layers"
        )
    entry = ModelEntry(
        input=matched.matrix,
        inputs=matched.inputs,
        output=graph.graph.output[0].name,
        opset=max((one.version for one in graph.opset_import if one.domain in {"", "ai.onnx"}), default=1),
        ops=tuple(sorted({operator_of(node) for node in graph.graph.node})),
        columns=matched.columns,
    )
    return onnx, entry


def _probabilities(original: Original, rows: Rows, inputs: Inputs) -> NDArray[np.float32]:
    """The scores of the model as exported, (n,). Raises ImportedError if one is no probability, with the likely cause."""
    starts = range(0, len(rows), limits.SCORE_ROWS_MAX)
    scores = np.concatenate([original.scores(rows[start : start + limits.SCORE_ROWS_MAX]) for start in starts])
    wrong = ~((scores >= -ROUNDING) & (scores <= 1.0 + ROUNDING))
    if not wrong.any():
        found: NDArray[np.float32] = np.clip(scores, 0.0, 1.0).astype(np.float32)
        return found
    outside = scores[wrong & ~np.isnan(scores)]
    if len(outside):
        raise ImportedError(
            f"its output is not a probability ({outside[0]:.4g} is outside 0..1): export predict_proba, or end in a sigmoid"
        )
    unknown = np.isnan(rows)
    causes = [
        one.name for one in inputs.used if unknown[wrong][:, inputs.positions(one)].any() > unknown[~wrong][:, inputs.positions(one)].any()
    ]
    hint = f": {', '.join(causes)} may be unknown, so add an imputer" if causes else ""
    raise ImportedError(f"its output is not a number for {int(wrong.sum())} of {len(rows)} rows{hint}")


def ranged(inputs: Inputs, rows: Rows) -> Inputs:
    """The inputs with numbers bounded by the rows (n, columns), so that drawn rows lie where those lie."""
    places = {column: at for at, column in enumerate(inputs.columns)}

    def bounded(one: Attribute) -> Attribute:
        at = places.get(one.name)
        known = rows[:, at][np.isfinite(rows[:, at])] if at is not None and one.dtype == "number" else rows[:0, 0]
        if not len(known):
            return one
        low, high = (float(bound) for bound in np.quantile(known, _RANGE))
        return msgspec.structs.replace(one, low=low, high=high)

    return Inputs(msgspec.structs.replace(inputs.schema, attributes=tuple(map(bounded, inputs.schema.attributes))), inputs.columns)
