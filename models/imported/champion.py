"""Compares an imported model with the champion on the same rows: the difference has an interval over the same draws of groups.

The rows must not have been used to train or to choose either model; no file shows that, so it is stated beside the figures.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.adapters.bundle import MODEL, SCHEMA, open_bundle, read_schema
from gateway.adapters.onnx_scorer import OnnxScorer
from models.imported.importing import Imported, scores
from models.imported.table import Labelled, Table
from models.inputs import Inputs
from models.measures import Figures, Interval, areas, figures
from models.report import read_report


class Measured(NamedTuple):
    """Figures of the model on the rows of a table with outcomes, and its AUC minus that of the champion if there is one."""

    rows: int
    groups: int
    base_rate: float
    model: Figures
    difference: Interval | None

    def metrics(self) -> dict[str, float]:
        """The figures for a bundle's manifest."""
        found = {"evaluated": float(self.rows), "respondents": float(self.groups), "base_rate": round(self.base_rate, 4)}
        auc = {"auc": self.model.auc} | ({"auc_above_champion": self.difference} if self.difference else {})
        for name, of in auc.items():
            found |= {name: round(of.value, 4), f"{name}_low": round(of.low, 4), f"{name}_high": round(of.high, 4)}
        return found | {"brier": round(self.model.brier, 4), "log_loss": round(self.model.log_loss, 4)}


class Champion(NamedTuple):
    """A scorer and its inputs."""

    scorer: OnnxScorer
    inputs: Inputs


def read_champion(path: Path, key: Ed25519PublicKey) -> Champion:
    """The model of a bundle signed by `key`, or of a folder that `train` wrote. Raises BundleError, ReportError, ScorerError."""
    if path.is_dir():
        entry = read_report(path).model
        return Champion(OnnxScorer((path / MODEL).read_bytes(), entry), Inputs(read_schema((path / SCHEMA).read_bytes()), entry.columns))
    opened = open_bundle(path, [key], None)
    return Champion(OnnxScorer(opened.model.onnx, opened.model.entry), Inputs(opened.schema, opened.model.entry.columns))


def measure(imported: Imported, table: Table, labelled: Labelled, champion: Champion | None, seed: int) -> Measured:
    """Figures on the rows of a table. Raises TableError if it lacks a column that one of the models reads."""
    forecasts = [imported.scores(table.rows(imported.inputs))]
    if champion is not None:
        forecasts.append(scores(champion.scorer, table.rows(champion.inputs)))
    taken, groups = labelled
    area = areas(taken, groups, forecasts, seed)
    return Measured(
        rows=len(taken),
        groups=len(np.unique(groups)),
        base_rate=float(taken.mean()),
        model=figures(taken, forecasts[0], area.of(0)),
        difference=area.difference(0, 1) if champion is not None else None,
    )
