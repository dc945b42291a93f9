"""Two models on rows of simulated people, cross-validated, beside their true figures for new people."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GroupKFold

from models.arrays import Floats, Ints
from models.fold_figures import FoldFigures, Measure, Part
from models.measures import Interval, Ranking, areas, log_losses

FOLDS = 5
ROWS_EACH = 4
NEW_PEOPLE = 1_500
MODELS = {"wide": slice(None), "narrow": slice(3)}
"""Columns of each model: all, most of which are noise, and the three that matter."""


class World(NamedTuple):
    """Number of people and of columns, and the spread of the people's own log-odds, which no column shows."""

    people: int
    columns: int
    spread: float


class Study(NamedTuple):
    """Intervals of AUC and log-loss of the wide model and of its difference to the narrow one, and the truths, by figure."""

    truth: dict[str, float]
    intervals: dict[str, Interval]
    people_only: dict[str, Interval]
    of_new: Callable[[int], Interval]


def draw(world: World, people: int, draws: np.random.Generator) -> tuple[Floats, Ints, Ints]:
    """Columns (n, k), outcomes (n,) and person numbers (n,), ROWS_EACH rows a person."""
    persons = np.repeat(np.arange(people), ROWS_EACH)
    rows = 0.7 * (draws.normal(size=(people, world.columns))[persons] + draws.normal(size=(len(persons), world.columns)))
    log_odds = rows[:, :3] @ np.array([0.8, 0.5, -0.5]) + world.spread * draws.normal(size=people)[persons]
    return rows, (draws.random(len(persons)) < 1 / (1 + np.exp(-log_odds))).astype(np.int64), persons


def fit(rows: Floats, taken: Ints) -> Callable[[Floats], Floats]:
    """Logistic regression with a ridge of one, by six Newton steps."""
    wide = np.column_stack((np.ones(len(rows)), rows))
    weights = np.zeros(wide.shape[1])
    for _ in range(6):
        likely = 1 / (1 + np.exp(-np.clip(wide @ weights, -30, 30)))
        curvature = (wide * (likely * (1 - likely) + 1e-6)[:, np.newaxis]).T @ wide + np.eye(len(weights))
        weights = weights + np.linalg.solve(curvature, wide.T @ (taken - likely) - weights)
    return lambda asked: 1 / (1 + np.exp(-np.clip(np.column_stack((np.ones(len(asked)), asked)) @ weights, -30, 30)))


def study(world: World, seed: int, repetitions: int = 1) -> Study:
    """Cross-validate both models on `world.people` people; the truth is that of models fitted to all of them."""
    draws = np.random.default_rng(seed)
    rows, taken, persons = draw(world, world.people, draws)
    new_rows, new_taken, _ = draw(world, NEW_PEOPLE, draws)
    truth, parts = {}, []
    forecasts = {name: np.zeros((repetitions, len(taken))) for name in MODELS}
    for name, columns in MODELS.items():
        forecast = fit(rows[:, columns], taken)(new_rows[:, columns])
        truth[f"{name} AUC"] = Ranking(new_taken, forecast).auc(np.ones(len(new_taken)))
        truth[f"{name} log-loss"] = float(log_losses(new_taken, forecast).mean())
    for repetition in range(repetitions):
        for train, test in GroupKFold(FOLDS, shuffle=True, random_state=seed + repetition).split(rows, groups=persons):
            parts.append(Part(repetition, test))
            for name, columns in MODELS.items():
                forecasts[name][repetition, test] = fit(rows[train][:, columns], taken[train])(rows[test][:, columns])
    over = FoldFigures(makers(taken, forecasts), parts, persons, seed, test_to_train=1 / (FOLDS - 1))
    pooled = areas(taken, persons, [forecast[0] for forecast in forecasts.values()], seed)
    return Study(
        truth={
            "AUC": truth["wide AUC"],
            "log-loss": truth["wide log-loss"],
            "difference of AUC": truth["wide AUC"] - truth["narrow AUC"],
            "difference of log-loss": truth["wide log-loss"] - truth["narrow log-loss"],
        },
        intervals={
            "AUC": over.of("wide AUC"),
            "log-loss": over.of("wide log-loss"),
            "difference of AUC": over.difference("wide AUC", "narrow AUC"),
            "difference of log-loss": over.difference("wide log-loss", "narrow log-loss"),
        },
        people_only={"AUC": pooled.of(0), "difference of AUC": pooled.difference(0, 1)},
        of_new=lambda people: over.of_new("wide AUC", people),
    )


def makers(taken: Ints, forecasts: dict[str, Floats]) -> dict[str, Callable[[Part], Measure]]:
    """AUC and log-loss of forecasts (repetitions, n), by name."""

    def area(forecast: Floats) -> Callable[[Part], Measure]:
        return lambda part: Ranking(taken[part.rows], forecast[part.repetition, part.rows]).auc

    def loss(forecast: Floats) -> Callable[[Part], Measure]:
        def make(part: Part) -> Measure:
            losses = log_losses(taken[part.rows], forecast[part.repetition, part.rows])
            return lambda weights: float(weights @ losses / weights.sum())

        return make

    return {f"{name} AUC": area(forecast) for name, forecast in forecasts.items()} | {
        f"{name} log-loss": loss(forecast) for name, forecast in forecasts.items()
    }


def share_covered(truths: list[dict[str, float]], intervals: list[dict[str, Interval]]) -> dict[str, float]:
    """Share of the studies whose interval holds the truth, by figure."""
    pairs = list(zip(truths, intervals, strict=True))
    return {name: float(np.mean([of[name].low <= truth[name] <= of[name].high for truth, of in pairs])) for name in intervals[0]}
