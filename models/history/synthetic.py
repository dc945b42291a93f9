"""Synthetic histories of any size, from a seed: to measure a workstation, and to test against a known truth.

Subjects have different visit rates (gamma), follow one of a few routes with random detours, and buy items whose popularity falls off as a
power law; some baskets hold a planted pair. Rows are generated and written in blocks of subjects, so that 10^8 rows need no more memory
than 10^5.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000  # 2026-01-01
DAYS = 365
ROWS_PER_SUBJECT = 60.0
BLOCK_SUBJECTS = 5_000
ITEMS = 400
PLANTED = ("item-090", "item-091")  # rare alone, bought together
ZONES = ("plaza", "arcade", "cafe", "bistro", "noodle-bar", "pub", "station", "market")
KIND_OF = {"cafe": "coffee_house", "bistro": "restaurant_dear", "noodle-bar": "restaurant_cheap", "pub": "bar", "market": "carry_away"}
ROUTES = (("station", "plaza", "cafe"), ("plaza", "arcade", "noodle-bar"), ("market", "station"), ("bistro", "pub"))


class SyntheticHistory(NamedTuple):
    """Paths of the tables, and their numbers of rows."""

    interactions: Path
    baskets: Path
    interaction_rows: int
    basket_rows: int


def generate(folder: Path, rows: int, seed: int) -> SyntheticHistory:
    """Write about `rows` rows, half visits and half basket lines, as Parquet parts below `folder`."""
    paths = {name: folder / name for name in ("interactions", "baskets")}
    for path in paths.values():
        path.mkdir(parents=True)
    subjects = max(1, round(rows / ROWS_PER_SUBJECT))
    written = dict.fromkeys(paths, 0)
    connection = duckdb.connect()
    for number, first in enumerate(range(0, subjects, BLOCK_SUBJECTS)):
        draws = np.random.default_rng((seed, number))
        names = np.array([f"s{subject:08d}" for subject in range(first, min(first + BLOCK_SUBJECTS, subjects))])
        share = rows / subjects / 2
        for table, block in (("interactions", _visits(names, share, draws)), ("baskets", _lines(names, share, draws))):
            connection.register("block", block)
            connection.table("block").write_parquet(str(paths[table] / f"part-{number:05d}.parquet"))
            written[table] += len(block)
    connection.close()
    return SyntheticHistory(paths["interactions"], paths["baskets"], written["interactions"], written["baskets"])


def _visits(names: np.ndarray, share: float, draws: np.random.Generator) -> pd.DataFrame:
    """Visits: each subject follows one route; a step in ten is a detour."""
    steps = np.array([zone for route in ROUTES for zone in route])
    lengths = np.array([len(route) for route in ROUTES])
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    route_of = draws.integers(len(ROUTES), size=len(names))
    walks = draws.poisson(draws.gamma(2.0, share / 2.0 / lengths[route_of]))
    subject = np.repeat(np.arange(len(names)), walks)
    route = route_of[subject]
    at_ms = START_MS + draws.integers(DAYS, size=len(subject)) * DAY_MS + draws.integers(8 * 3_600_000, 20 * 3_600_000, size=len(subject))
    long = lengths[route]
    order = np.arange(long.sum()) - np.repeat(np.cumsum(long) - long, long)
    zone = steps[np.repeat(starts[route], long) + order]
    detour = draws.random(len(zone)) < 0.1
    zone[detour] = draws.choice(np.array(ZONES), size=int(detour.sum()))
    return pd.DataFrame(
        {
            "subject": names[np.repeat(subject, long)],
            "at_ms": np.repeat(at_ms, long) + order * 600_000,
            "what": "visit",
            "zone": zone,
            "kind": [KIND_OF.get(place, "other") for place in zone],
            "dwell_s": np.round(draws.gamma(2.0, 120.0, size=len(zone)), 1),
        }
    )


def _lines(names: np.ndarray, share: float, draws: np.random.Generator) -> pd.DataFrame:
    """Basket lines, five per basket on average; one basket in fifty holds the planted pair."""
    baskets = draws.poisson(draws.gamma(1.5, share / 5.0 / 1.5, size=len(names)))
    subject = np.repeat(np.arange(len(names)), baskets)
    at_ms = START_MS + draws.integers(DAYS * DAY_MS, size=len(subject))
    lines = 1 + draws.poisson(4.0, size=len(subject))
    owner = np.repeat(np.arange(len(subject)), lines)
    popularity = 1.0 / np.arange(1, ITEMS + 1) ** 0.8
    item = draws.choice(ITEMS, size=len(owner), p=popularity / popularity.sum())
    planted = np.flatnonzero(draws.random(len(subject)) < 0.02)
    owner = np.concatenate((owner, planted, planted))
    item = np.concatenate((item, np.full(len(planted), 90), np.full(len(planted), 91)))
    quantity = 1 + draws.poisson(0.5, size=len(owner))
    labels = np.array([f"item-{number:03d}" for number in range(ITEMS)])
    return pd.DataFrame(
        {
            "subject": names[subject[owner]],
            "at_ms": at_ms[owner],
            "basket": np.char.add(names[subject[owner]], np.char.add("-", at_ms[owner].astype(str))),
            "item": labels[item],
            "quantity": quantity,
            "amount_minor": quantity * (100 + 7 * item),
        }
    )
