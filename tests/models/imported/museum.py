"""A museum: a schema with a number, a category, a flag and the clock, a table of visitors, and pipelines of scikit-learn."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from onnx import ModelProto
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from gateway.core.attributes.schema import parse

SCHEMA_TOML = """
categories = ["exhibition", "cafe"]
currency = "EUR"

[[attributes]]
name = "ticket"
about = "person"
dtype = "category"
values = ["day", "year", "school"]
purposes = ["offers"]
told = {}

[[attributes]]
name = "visits"
about = "person"
dtype = "number"
unit = "{visits}"
purposes = ["offers"]
history = { of = "visits", fold = "count", within_days = 365, empty = 0.0 }

[[attributes]]
name = "hour"
about = "moment"
dtype = "number"
unit = "h"
low = 0.0
high = 24.0
clock = { field = "hour" }

[[attributes]]
name = "member"
about = "person"
dtype = "flag"
purposes = ["offers"]
told = {}

[[attributes]]
name = "weekday"
about = "moment"
dtype = "number"
unit = "d"
low = 0.0
high = 6.0
clock = { field = "weekday" }
"""
SCHEMA = parse(tomllib.loads(SCHEMA_TOML))
TICKETS = ("day", "year", "school")
NUMBERS = ["visits", "hour", "member"]


@cache
def visitors(rows: int = 400, seed: int = 1) -> tuple[pd.DataFrame, Any]:
    """Attribute values, some unknown, and whether each visitor took the offer."""
    draws = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "ticket": draws.choice([*TICKETS, ""], rows),
            "visits": draws.poisson(3, rows).astype(np.float32),
            "hour": draws.uniform(9, 18, rows).astype(np.float32),
            "member": draws.integers(0, 2, rows).astype(np.float32),
        }
    )
    log_odds = 0.5 * (table.visits - 3) + 1.5 * (table.ticket == "year") - 0.3 * (table.hour - 13)
    taken = (draws.random(rows) < 1 / (1 + np.exp(-log_odds.to_numpy()))).astype(np.int64)
    table.loc[draws.random(rows) < 0.2, "visits"] = np.nan
    table.loc[draws.random(rows) < 0.2, "member"] = np.nan
    return table, taken


def pipeline(classifier: Any = None, *, texts: Any = None, numbers: Any = None) -> Any:
    """A fitted pipeline with a ColumnTransformer, by default with logistic regression."""
    encoded = ColumnTransformer(
        [
            ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False) if texts is None else texts, ["ticket"]),
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()) if numbers is None else numbers, NUMBERS),
        ]
    )
    return make_pipeline(encoded, LogisticRegression(max_iter=1_000) if classifier is None else classifier).fit(*visitors())


def written(model: ModelProto, folder: Path) -> Path:
    """The path of the model, written as `mine.onnx`."""
    path = folder / "mine.onnx"
    path.write_bytes(model.SerializeToString())
    return path
