"""The Complete Journey: baskets, mailings and redemptions of households (dunnhumby, year 2017, CC0).

The transactions here are a random sample of *lines*, one in dozens, drawn without regard to baskets: a household without a
line in a month has mostly bought all the same. The forecast outcome is therefore "a line in the sample", and each measure of it is
lower than it would be on all lines. Campaigns and redemptions are complete. Age, income and similar columns are not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.tables.reading import Counts, RowFilter, TableError, read_texts


class Journey(NamedTuple):
    """Four tables. Days are `datetime64[D]`; `counts` are those of the lines.

    lines: household, day, basket, product, value. mailings: household, campaign. campaigns: campaign, kind, start, end.
    redemptions: household, campaign, day. coupons: campaign, product.
    """

    lines: pd.DataFrame
    mailings: pd.DataFrame
    campaigns: pd.DataFrame
    redemptions: pd.DataFrame
    coupons: pd.DataFrame
    counts: Counts


def read_journey(folder: Path) -> Journey:
    """The tables from five files in `folder`. Raises TableError if a file is missing or cannot be read."""
    names = ("household_id", "basket_id", "product_id", "sales_value", "transaction_timestamp")
    row_filter = RowFilter(read_texts(_file(folder, "transactions"), names))
    moments = row_filter.timestamp("transaction_timestamp")
    values = row_filter.number("sales_value", low=0.0)
    household = row_filter.number("household_id", low=0.0)
    kept = row_filter.kept
    raw = read_texts(_file(folder, "transactions"), ("basket_id", "product_id"))
    lines = pd.DataFrame(
        {
            "household": household[kept].astype(np.int64),
            "day": moments[kept].astype("datetime64[D]"),
            "basket": raw["basket_id"].to_numpy(dtype=str)[kept],
            "product": raw["product_id"].to_numpy(dtype=str)[kept],
            "value": values[kept],
        }
    )
    return Journey(
        lines=lines,
        mailings=_renamed(folder, "campaigns", {"household_id": "household", "campaign_id": "campaign"}),
        campaigns=_renamed(
            folder,
            "campaign_descriptions",
            {"campaign_id": "campaign", "campaign_type": "kind", "start_date": "start", "end_date": "end"},
        ),
        redemptions=_renamed(
            folder,
            "coupon_redemptions",
            {"household_id": "household", "campaign_id": "campaign", "redemption_date": "day"},
        ),
        coupons=_renamed(folder, "coupons", {"campaign_id": "campaign", "product_id": "product"}),
        counts=row_filter.counts(),
    )


_NUMBERS = ("household", "campaign")
_DAYS = ("start", "end", "day")


def _renamed(folder: Path, name: str, columns: dict[str, str]) -> pd.DataFrame:
    table = read_texts(_file(folder, name), tuple(columns)).rename(columns=columns)
    try:
        for column in columns.values():
            if column in _NUMBERS:
                table[column] = table[column].astype(np.int64)
            elif column in _DAYS:
                table[column] = pd.to_datetime(table[column], format="%Y-%m-%d").to_numpy(dtype="datetime64[s]")
    except (ValueError, TypeError) as error:
        raise TableError(f"{folder / name}: a value does not fit its column ({str(error)[:120]})") from error
    return table


def _file(folder: Path, name: str) -> Path:
    found = sorted((*folder.glob(f"{name}.csv*"), *folder.glob(f"{name}_sample.csv*")))
    if not found:
        raise TableError(f"{folder} holds no {name}.csv (nor {name}_sample.csv, nor either compressed)")
    return found[0]
