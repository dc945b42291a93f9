"""The report beside a trained model: its table, its figures and the versions of the tools that made it.

Some of its figures are copied into the bundle's manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import msgspec

from gateway.core.bundle import CalibrationName, ModelEntry
from models.errors import ModelsError
from models.export import Exported
from models.propensity.estimators import Fitted
from models.training import Comparison

REPORT = "report.json"


class ReportError(ModelsError):
    """A folder holds no report of `train`; the message names the command that writes one."""


class ColumnReport(msgspec.Struct, frozen=True):
    """A column of a table: its kind if a schema was proposed, its attribute, and the reason why it is no feature; "" for none."""

    column: str
    kind: str
    attribute: str
    left_out: str


class TableReport(msgspec.Struct, frozen=True):
    """The training table: name, hash, counts of its rows, columns with a role, and a report of each column; no rows.

    `rows_in` is `rows_used`, `refused` and `not_drawn`, the rows that are not in a sample. `unreadable` counts the texts of a column
    that fit no value of its attribute and are unknown. A history has no columns with a role.
    """

    name: str
    sha256: str
    rows_in: int
    rows_used: int
    refused: Mapping[str, int]
    target: str = ""
    positive: str = ""
    groups: tuple[str, ...] = ()
    time: str = ""
    not_drawn: int = 0
    columns: tuple[ColumnReport, ...] = ()
    unreadable: Mapping[str, int] = {}


class Report(msgspec.Struct, frozen=True):
    """The result of `wayside-models train`; times in microseconds a call."""

    table: TableReport
    comparison: Comparison
    estimator: str
    setting: str
    calibration: CalibrationName
    model: ModelEntry
    model_bytes: int
    parity_rows: int
    parity_worst: float
    batch_1_us: float
    batch_64_us: float
    tools: Mapping[str, str]

    def metrics(self) -> dict[str, float]:
        """The figures for a bundle's manifest."""
        of = self.comparison
        return {
            "rows": float(of.rows),
            "respondents": float(of.respondents),
            "evaluated": float(of.evaluated),
            "base_rate": round(of.base_rate, 4),
            "auc": round(of.champion.auc.value, 4),
            "auc_low": round(of.champion.auc.low, 4),
            "auc_high": round(of.champion.auc.high, 4),
            "auc_of_100_low": round(of.expected.low, 4),
            "auc_of_100_high": round(of.expected.high, 4),
            "auc_logistic": round(of.logistic.auc.value, 4),
            "auc_above_logistic": round(of.difference.value, 4),
            "auc_above_logistic_low": round(of.difference.low, 4),
            "auc_above_logistic_high": round(of.difference.high, 4),
            **({} if of.blind_auc is None else {"auc_blind": round(of.blind_auc, 4)}),
            "average_precision": round(of.champion.average_precision, 4),
            "brier": round(of.champion.brier, 4),
            "log_loss": round(of.champion.log_loss, 4),
            "calibration_error": round(of.champion.calibration_error, 4),
            "error": round(of.estimators[0].error, 4),
            "estimators_compared": float(len(of.estimators)),
            "parity_worst": self.parity_worst,
        }


def report_of(table: TableReport, comparison: Comparison, fitted: Fitted, exported: Exported) -> Report:
    """The report of one training."""
    return Report(
        table=table,
        comparison=comparison,
        estimator=fitted.estimator,
        setting=fitted.setting,
        calibration=fitted.calibration.name,
        model=exported.entry,
        model_bytes=len(exported.model),
        parity_rows=len(exported.rows),
        parity_worst=exported.parity_worst,
        batch_1_us=exported.batch_1_us,
        batch_64_us=exported.batch_64_us,
        tools={name: version(name) for name in ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx")},
    )


def save_report(report: Report, folder: Path) -> None:
    """Write the report into the folder of the model."""
    (folder / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def read_report(folder: Path) -> Report:
    """The report in `folder`. Raises ReportError if there is none or it cannot be read."""
    try:
        return msgspec.json.decode((folder / REPORT).read_bytes(), type=Report)
    except OSError as error:
        raise ReportError(f"{folder} holds no {REPORT}; make it with `wayside-models train --out {folder}`") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReportError(f"{folder / REPORT} is not a report ({str(error)[:160]}); train anew") from error
