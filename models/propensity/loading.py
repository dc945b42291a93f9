"""Training sets from a gateway's history of proposals.

A history has times, so models are fitted to its earlier part and tested on the later part of other subjects.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.history.labels import labelled_proposals
from models.history.reading import find_tables, open_history
from models.inputs import Inputs
from models.propensity.bayes import OfferBayes, fit_priors
from models.propensity.masking import mask
from models.propensity.training_set import TrainingError, TrainingSet, validated
from models.report import TableReport


class Loaded(NamedTuple):
    """A training set with masked rows, its columns, and the counts of its rows."""

    data: TrainingSet
    inputs: Inputs
    table: TableReport


def load_history(folder: Path, seed: int) -> Loaded:
    """The training set of the history in `folder`. Raises HistoryError or TrainingError if it cannot be used."""
    path = _interactions(folder)
    with open_history(interactions=path) as history:
        labelled = labelled_proposals(history)
        inputs = labelled.inputs
        counted = history.row_counts_of("interactions")
    data = TrainingSet(labelled.rows, labelled.taken, labelled.subjects, labelled.at_ms, names=inputs.columns, inputs=inputs)
    validated(data)
    table = TableReport(
        name=path.name,
        sha256=_digest(path),
        rows_in=counted.rows_in,
        rows_used=len(labelled.taken),
        refused={**counted.refused, **labelled.left_out},
    )
    return Loaded(data._replace(masked=mask(data.rows, inputs, seed)), inputs, table)


def load_priors(folder: Path) -> tuple[OfferBayes, ...]:
    """Priors of the real-time model for each offer of a history: bin edges and counts, without any row itself.

    Raises HistoryError or TrainingError if the history cannot be used.
    """
    with open_history(interactions=_interactions(folder)) as history:
        labelled = labelled_proposals(history)
    return tuple(
        fit_priors(str(offer), labelled.inputs.columns, labelled.rows[of], labelled.taken[of], at_ms=int(labelled.at_ms[of].max()))
        for offer in np.unique(labelled.offers)
        for of in (labelled.offers == offer,)
    )


def _interactions(folder: Path) -> Path:
    path = find_tables(folder).get("interactions")
    if path is None:
        raise TrainingError(f"{folder} holds no interactions: models are fitted to proposals and their answers")
    return path


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder in the order of names."""
    whole = hashlib.sha256()
    for part in sorted(path.iterdir()) if path.is_dir() else [path]:
        with part.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest() if path.is_dir() else file.read())
    return whole.hexdigest()
