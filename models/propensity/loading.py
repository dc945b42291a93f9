"""What a training command is given, in one shape: the coupon table or a gateway's history of proposals.

A history was lived in time, so models learn from its earlier part and are judged by other people's later part. The coupon
table has no times: its respondents answered in one sitting.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.core import features
from models.history.labels import labelled_proposals
from models.history.reading import find_tables, open_history
from models.propensity.bayes import OfferBayes, fit_priors
from models.propensity.training_set import TrainingError, TrainingSet, checked
from models.propensity.withholding import withhold
from models.report import TableReport, table_report
from models.tables.coupon import read_coupons
from models.training import coupon_training_set


class Loaded(NamedTuple):
    """Rows to learn from, the table's own words where it has any, and what is said of the table."""

    data: TrainingSet
    raw: NDArray[np.str_] | None
    table: TableReport


def load_coupons(path: Path, seed: int) -> Loaded:
    """The coupon table at `path`; `CouponError` or `TrainingError` when it cannot teach."""
    history = read_coupons(path)
    return Loaded(coupon_training_set(history, seed), history.raw, table_report(path, history))


def load_history(folder: Path, seed: int) -> Loaded:
    """The proposals of the history in `folder`; `HistoryError` or `TrainingError` when they cannot teach."""
    path = _interactions(folder)
    with open_history(interactions=path) as history:
        learnt = labelled_proposals(history)
        counted = history.row_counts_of("interactions")
    data = TrainingSet(learnt.rows, learnt.taken, learnt.subjects, learnt.at_ms, names=features.NAMES)
    checked(data)
    table = TableReport(
        name=path.name,
        sha256=_digest(path),
        rows_in=counted.rows_in,
        rows_used=len(learnt.taken),
        refused={**counted.refused, **learnt.left_out},
    )
    return Loaded(data._replace(withheld=withhold(data.rows, seed)), None, table)


def load_priors(folder: Path) -> tuple[OfferBayes, ...]:
    """A start for the real-time model of every offer in the history: bin edges and counts, no row of anybody."""
    with open_history(interactions=_interactions(folder)) as history:
        learnt = labelled_proposals(history)
    return tuple(
        fit_priors(str(offer), features.NAMES, learnt.rows[of], learnt.taken[of], at_ms=int(learnt.at_ms[of].max()))
        for offer in np.unique(learnt.offers)
        for of in (learnt.offers == offer,)
    )


def _interactions(folder: Path) -> Path:
    path = find_tables(folder).get("interactions")
    if path is None:
        raise TrainingError(f"{folder} holds no interactions: only proposals and their answers can teach what is taken")
    return path


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder in the order of their names."""
    whole = hashlib.sha256()
    for part in sorted(path.iterdir()) if path.is_dir() else [path]:
        with part.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest() if path.is_dir() else file.read())
    return whole.hexdigest()
