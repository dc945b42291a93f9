"""In-vehicle coupons: situations of a survey, and whether the coupon was taken.

UCI "In-Vehicle Coupon Recommendation" (Wang et al. 2017): each respondent answered about twenty imagined situations. Only
columns that a gateway can know are used: place, time, weather, the coupon, the way to it, and visits to such places.
Gender, age, income and similar columns may not influence an offer. (Without a column `respondent`, as in the original
file, they identify the rows of one respondent, which a split keeps on one side, and are then dropped.) Every row that is
not used is counted with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gateway.adapters.toml_files import load_schema
from gateway.core.attributes.aggregators import Value
from models.inputs import Inputs
from models.tables.reading import TableError, read_all, require_columns

T = TypeVar("T")

TARGET = "Y"
RESPONDENT = "respondent"
VISITS: Mapping[str, str] = {
    "coffee_house": "CoffeeHouse",
    "restaurant_cheap": "RestaurantLessThan20",
    "restaurant_dear": "Restaurant20To50",
    "carry_away": "CarryAway",
    "bar": "Bar",
}
RAW: tuple[str, ...] = (
    "destination",
    "weather",
    "temperature",
    "time",
    "couponType",
    "expiration",
    "toCoupon_GEQ15min",
    "toCoupon_GEQ25min",
    *VISITS.values(),
)
"""The columns that are read; plain logistic regression gets the same ones, one-hot."""

INPUTS = Inputs(
    load_schema(Path(__file__).with_name("coupon_schema.toml")),
    (
        *("hour", "travel", "expiry", "temperature", "weather_sunny", "weather_rainy", "weather_snowy"),
        *("heading_nowhere_urgent", "heading_home", "heading_work"),
        *(f"offer_{category}" for category in VISITS),
        *(f"visits_{category}" for category in VISITS),
        *("visits_this_kind", "noise", "air", "crowd", "context_age"),
    ),
)
"""The schema of the demonstration street and the columns of its model. The table states neither noise, air nor crowd."""

_PERSONAL = ("gender", "age", "maritalStatus", "education", "occupation", "income", "cartype", *VISITS.values())
_RENAMED = {"coupon": "couponType", "car": "cartype"}  # names in the original file

_HEADINGS: Mapping[str, str] = {"No Urgent Place": "nowhere_urgent", "Home": "home", "Work": "work"}
_WEATHERS: Mapping[str, str] = {"Sunny": "sunny", "Rainy": "rainy", "Snowy": "snowy"}
_HOURS = {"7AM": 7.0, "10AM": 10.0, "2PM": 14.0, "6PM": 18.0, "10PM": 22.0}
_EXPIRY_HOURS = {"2h": 2.0, "1d": 24.0}
_KINDS: Mapping[str, str] = {
    "Coffee House": "coffee_house",
    "Restaurant(<20)": "restaurant_cheap",
    "Restaurant(20-50)": "restaurant_dear",
    "Carry out & Take away": "carry_away",
    "Bar": "bar",
}
# Visits a month: the middle of each answer's range; "gt8" has no upper end and is read as a little over eight.
_VISITS_MONTH = {"never": 0.0, "less1": 0.5, "1~3": 2.0, "4~8": 6.0, "gt8": 10.0}
_YES = {"1": True, "0": False}


class CouponError(TableError):
    """The respondents of the table cannot be identified; the message names the missing columns."""


class _RowError(ValueError):
    """A row has a value that is not in the table's description."""


class Coupons(NamedTuple):
    """By row (n, ...): columns of INPUTS, outcome 0/1, respondent number from 0, RAW columns as texts; refused rows by reason."""

    rows: NDArray[np.float32]
    taken: NDArray[np.int64]
    respondents: NDArray[np.int64]
    raw: NDArray[np.str_]
    rows_in: int
    refused: Mapping[str, int]


def read_coupons(path: Path) -> Coupons:
    """The table in the CSV file at `path` (may be compressed).

    Raises TableError if it cannot be read or lacks a column, CouponError if its respondents cannot be identified.
    """
    table = _table(path)
    values: list[dict[str, Value]] = []
    used: list[int] = []
    refused: Counter[str] = Counter()
    for index, line in enumerate(table.to_dict("records")):
        row = {str(name): value if isinstance(value, str) else None for name, value in line.items()}
        try:
            _parsed(_YES, row, TARGET)
            values.append(_values(row))
        except _RowError as reason:
            refused[str(reason)] += 1
        else:
            used.append(index)
    kept = table.iloc[used]
    people: NDArray[np.int64] = np.unique(kept[RESPONDENT].to_numpy(dtype=str), return_inverse=True)[1].astype(np.int64)
    return Coupons(
        rows=INPUTS.rows(values),
        taken=kept[TARGET].to_numpy(dtype=np.int64),
        respondents=people,
        raw=kept[list(RAW)].fillna("missing").to_numpy(dtype=str),
        rows_in=len(table),
        refused=dict(refused),
    )


def _table(path: Path) -> pd.DataFrame:
    """The rows with a respondent, as texts; absent values are NaN."""
    table = read_all(path).rename(columns=_RENAMED)
    require_columns(path, table, (*RAW, TARGET))
    if RESPONDENT not in table.columns:
        table[RESPONDENT] = _respondents(path, table)
    return table.dropna(subset=[RESPONDENT]).reset_index(drop=True)


def _respondents(path: Path, table: pd.DataFrame) -> pd.Series[str]:
    """A text for each row that is the same in all rows of a respondent."""
    missing = [name for name in _PERSONAL if name not in table.columns]
    if missing:
        raise CouponError(
            f"{path} lacks the column {RESPONDENT}, and without {', '.join(missing)} the rows of a respondent cannot be identified; "
            f"add a column {RESPONDENT}"
        )
    return table[list(_PERSONAL)].fillna("missing").agg("\t".join, axis=1)


def _values(row: Mapping[str, str | None]) -> dict[str, Value]:
    """Values by attribute."""
    weather = row["weather"]
    values: dict[str, Value] = {
        "hour": _parsed(_HOURS, row, "time"),
        "heading": _parsed(_HEADINGS, row, "destination"),
        "weather": None if weather is None else _parsed(_WEATHERS, row, "weather"),
        "temperature": _temperature(row),
        "offer": _parsed(_KINDS, row, "couponType"),
        "expiry": _parsed(_EXPIRY_HOURS, row, "expiration"),
        "travel": _travel_min(row),
    }
    visits = {f"visits_{kind}": _parsed(_VISITS_MONTH, row, column) for kind, column in VISITS.items() if row[column] is not None}
    return values | visits


def _parsed(codes: Mapping[str, T], row: Mapping[str, str | None], column: str) -> T:
    try:
        return codes[row[column] or ""]
    except KeyError:
        raise _RowError(f"unknown_{column}") from None


def _temperature(row: Mapping[str, str | None]) -> float | None:
    """Temperature in °C. The table has three values in °F; as whole degrees, the splits between them are exact in float32."""
    fahrenheit = row["temperature"]
    if fahrenheit is None:
        return None
    try:
        celsius = float(round((float(fahrenheit) - 32.0) / 1.8))
    except (ValueError, OverflowError):
        raise _RowError("unknown_temperature") from None
    if not -60.0 <= celsius <= 60.0:
        raise _RowError("unknown_temperature")
    return celsius


def _travel_min(row: Mapping[str, str | None]) -> float:
    """Minutes to the coupon's place: "at least 5", "at least 15" and "at least 25" in the table are read as 5, 15 and 25."""
    if _parsed(_YES, row, "toCoupon_GEQ25min"):
        return 25.0
    return 15.0 if _parsed(_YES, row, "toCoupon_GEQ15min") else 5.0
