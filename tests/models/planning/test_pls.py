"""Path models: planted paths, published loadings, and the estimates of another program."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import brentq

from models.planning.pls import DRAWS_MIN, Scheme, analyse_paths, estimate, held_out_q2, htmt, path_model
from models.planning.sheets import PlanningError
from models.planning.survey import correlation_matrix
from tests.kit.shared import shared_path

Floats = NDArray[np.float64]

SCALES = {"a": ["a1", "a2", "a3"], "b": ["b1", "b2", "b3", "b4"], "c": ["c1", "c2", "c3"], "d": ["d1", "d2", "d3", "d4"]}
MODEL = path_model(SCALES, {"b": ["a"], "c": ["a", "b"], "d": ["c"]})


def factor_answers(respondents: int, seed: int) -> Floats:
    """Answers to a factor model with paths .5 (a to b), .4 (a to c), .3 (b to c), .6 (c to d); items load by .85, .80, .75, .70."""
    draws = np.random.default_rng(seed)
    a = draws.normal(size=respondents)
    b = 0.5 * a + draws.normal(size=respondents) * np.sqrt(0.75)
    c = 0.4 * a + 0.3 * b + draws.normal(size=respondents) * 0.8
    d = 0.6 * c + draws.normal(size=respondents) * 0.8
    columns = []
    for factor, items in zip((a, b, c, d), SCALES.values(), strict=True):
        scaled = (factor - factor.mean()) / factor.std()
        for place in range(len(items)):
            loading = 0.85 - 0.05 * place
            columns.append(loading * scaled + np.sqrt(1 - loading**2) * draws.normal(size=respondents))
    return np.column_stack(columns)


def composite_block(loadings: Sequence[float]) -> Floats:
    """Correlations of items whose composite with weights proportional to the loadings has exactly these loadings.

    The errors are the sides of a closed polygon in a circle, so that they cancel in the composite.
    """
    values = np.array(loadings)
    sides = values * np.sqrt(1 - values**2)
    radius = brentq(lambda r: np.arcsin(sides / 2 / r).sum() - np.pi, sides.max() / 2, 100.0)
    angles = np.concatenate([[0.0], np.cumsum(2 * np.arcsin(sides / 2 / radius))])
    corners = radius * np.column_stack([np.cos(angles), np.sin(angles)])
    errors = np.diff(corners, axis=0) / values[:, None]
    return np.asarray(np.outer(values, values) + errors @ errors.T)


def composite_correlations(blocks: Sequence[Sequence[float]], between: Floats) -> Floats:
    """Correlations of all items of a composite model whose scales have the correlations `between`."""
    owner = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    loadings = np.concatenate(blocks)
    full = np.outer(loadings, loadings) * between[np.ix_(owner, owner)]
    for place, block in enumerate(blocks):
        full[np.ix_(owner == place, owner == place)] = composite_block(block)
    return np.asarray(full)


def answers_with(correlations: Floats, respondents: int, seed: int) -> Floats:
    """Normal answers drawn from a population with these correlations."""
    return np.random.default_rng(seed).multivariate_normal(np.zeros(len(correlations)), correlations, respondents, method="eigh")


@pytest.fixture(scope="module")
def published() -> dict[str, list[float]]:
    segments = json.loads(shared_path("published/segments.json").read_text("utf-8"))["segments"]
    return {name: list(segment["marks"].values()) for name, segment in segments.items()}


@pytest.mark.parametrize("scheme", ["path", "centroid"])
def test_published_loadings_and_planted_paths_are_found_exactly(published: dict[str, list[float]], scheme: Scheme) -> None:
    """In a population with the published loadings: AVE .588 .622 .605 .636, CR .877 .908 .859 .913, paths and R² as planted."""
    scales = {name: [f"{name}{place}" for place in range(len(loadings))] for name, loadings in published.items()}
    first, second, third, fourth = scales
    model = path_model(scales, {third: [first, second], fourth: [third]})
    between = np.array([[1, 0.3, 0, 0], [0.3, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    between[2, :2] = between[:2, 2] = [0.5 + 0.3 * 0.2, 0.5 * 0.3 + 0.2]
    between[3, :3] = between[:3, 3] = 0.6 * between[2, :3]
    fit = estimate(composite_correlations(list(published.values()), between), model, scheme)
    assert fit.loadings == pytest.approx(np.concatenate(list(published.values())), abs=1e-6)
    assert fit.paths[model.arrows] == pytest.approx([0.5, 0.2, 0.6], abs=1e-6)
    assert fit.r2 == pytest.approx([0, 0, 0.5 * 0.56 + 0.2 * 0.35, 0.36], abs=1e-6)
    answers = answers_with(composite_correlations(list(published.values()), between), 384, seed=1)
    report = analyse_paths(answers, model, scheme=scheme, draws=DRAWS_MIN)
    for path, planted in zip(report.paths, (0.5, 0.2, 0.6), strict=True):
        assert path.path.low < planted < path.path.high
        assert path.verdict == "supported"
    assert [scale.ave for scale in report.constructs] == pytest.approx([0.588, 0.622, 0.605, 0.636], abs=0.05)
    assert [scale.composite_reliability for scale in report.constructs] == pytest.approx([0.877, 0.908, 0.859, 0.913], abs=0.03)


@pytest.mark.parametrize(
    ("scheme", "paths", "loadings", "r2"),
    [
        ("path", [0.477959136, 0.370269101, 0.268674908, 0.546936035], [0.893054666, 0.848079024, 0.834585155], 0.304382090),
        ("centroid", [0.477921267, 0.370302435, 0.268794719, 0.546971236], [0.893108972, 0.848083998, 0.834516909], None),
    ],
)
def test_estimates_equal_those_of_plspm(scheme: Scheme, paths: list[float], loadings: list[float], r2: float | None) -> None:
    """Figures by plspm 0.5.7 on the same standardised answers."""
    fit = estimate(correlation_matrix(factor_answers(384, seed=3)), MODEL, scheme)
    assert fit.paths[MODEL.arrows] == pytest.approx(paths, abs=1e-7)
    assert fit.loadings[:3] == pytest.approx(loadings, abs=1e-7)
    if r2 is not None:
        assert fit.r2[2] == pytest.approx(r2, abs=1e-7)


def test_measurement_error_shrinks_paths_and_the_correction_restores_them() -> None:
    """The population of a factor model: plain paths are too small, the corrected ones are the planted ones exactly."""
    between = np.array([[1, 0.5, 0.55, 0.33], [0.5, 1, 0.5, 0.3], [0.55, 0.5, 1, 0.6], [0.33, 0.3, 0.6, 1]])
    owner = MODEL.member.argmax(axis=1)
    loadings = np.array([0.85, 0.8, 0.75, 0.85, 0.8, 0.75, 0.7, 0.85, 0.8, 0.75, 0.85, 0.8, 0.75, 0.7])
    correlations = np.outer(loadings, loadings) * between[np.ix_(owner, owner)]
    np.fill_diagonal(correlations, 1.0)
    fit = estimate(correlations, MODEL)
    assert fit.consistent[MODEL.arrows] == pytest.approx([0.5, 0.4, 0.3, 0.6], abs=1e-6)
    assert fit.paths[3, 2] < 0.53


def test_a_sample_of_a_factor_model_holds_the_planted_path_in_the_corrected_interval_only() -> None:
    strongest = analyse_paths(factor_answers(2_000, seed=3), MODEL, draws=DRAWS_MIN).paths[-1]
    assert (strongest.source, strongest.target) == ("c", "d")
    assert strongest.path.high < 0.6
    assert strongest.consistent.low < 0.6 < strongest.consistent.high


def test_intervals_cover_planted_paths() -> None:
    """Of 24 samples, 23 intervals are expected to hold the planted path; fewer than 20 would mean that they are too narrow."""
    between = np.array([[1, 0.4], [0.4, 1]])
    model = path_model({"x": ["x1", "x2", "x3"], "y": ["y1", "y2", "y3"]}, {"y": ["x"]})
    correlations = composite_correlations([(0.8, 0.75, 0.85)] * 2, between)
    reports = [analyse_paths(answers_with(correlations, 200, seed), model, draws=DRAWS_MIN, seed=seed) for seed in range(24)]
    covered = sum(report.paths[0].path.low < 0.4 < report.paths[0].path.high for report in reports)
    assert covered >= 20


def test_an_absent_path_is_not_supported() -> None:
    """The scale y follows x; z is noise and predicts nothing."""
    between = np.array([[1, 0, 0.5], [0, 1, 0], [0.5, 0, 1]])
    model = path_model({name: [f"{name}{place}" for place in range(3)] for name in "xzy"}, {"y": ["x", "z"]})
    report = analyse_paths(answers_with(composite_correlations([(0.8, 0.75, 0.85)] * 3, between), 400, 2), model, draws=DRAWS_MIN)
    verdicts = {path.source: path.verdict for path in report.paths}
    assert verdicts == {"x": "supported", "z": "not distinguishable from no effect"}


def test_a_negative_path_is_called_negative() -> None:
    between = np.array([[1, -0.5], [-0.5, 1]])
    model = path_model({"x": ["x1", "x2", "x3"], "y": ["y1", "y2", "y3"]}, {"y": ["x"]})
    report = analyse_paths(answers_with(composite_correlations([(0.8, 0.75, 0.85)] * 2, between), 300, 4), model, draws=DRAWS_MIN)
    assert report.paths[0].verdict == "supported, negative"
    assert report.paths[0].t < -5


def test_q2_is_about_the_redundancy_with_many_respondents_and_not_positive_for_noise() -> None:
    answers = factor_answers(3_000, seed=6)
    report = analyse_paths(answers, MODEL, draws=DRAWS_MIN)
    by_name = {scale.name: scale for scale in report.constructs}
    assert (by_name["a"].r2, by_name["a"].q2, by_name["a"].redundancy) == (None, None, None)
    for name in "bcd":
        assert by_name[name].q2 == pytest.approx(by_name[name].redundancy, abs=0.02)
        assert "predicts held-out respondents" in by_name[name].verdict
    noise = np.random.default_rng(7).normal(size=(200, 14))
    assert np.nanmax(held_out_q2(noise, MODEL)) < 0.01


def test_htmt_is_the_correlation_of_the_factors_where_loadings_are_equal() -> None:
    """All items load by .8: within .64, between .64 * .5, so HTMT is .5."""
    member = np.kron(np.eye(2, dtype=np.int64), np.ones((3, 1), dtype=np.int64)).astype(np.bool_)
    correlations = np.where(member @ member.T, 0.64, 0.32)
    np.fill_diagonal(correlations, 1.0)
    assert htmt(correlations, member)[0, 1] == pytest.approx(0.5)


def test_two_scales_of_one_factor_are_not_distinct() -> None:
    answers = factor_answers(500, seed=8)
    scales = {"x": ["b1", "b3"], "y": ["b2", "b4"], "d": SCALES["d"]}
    model = path_model(scales, {"d": ["x", "y"]})
    columns = [MODEL.items.index(item) for item in model.items]
    report = analyse_paths(answers[:, columns], model, draws=DRAWS_MIN)
    verdicts = {(pair.first, pair.second): pair.verdict for pair in report.pairs}
    assert "HTMT" in verdicts["x", "y"]
    assert verdicts["x", "d"] == verdicts["y", "d"] == "distinct"


def test_a_reverse_coded_item_is_named() -> None:
    answers = factor_answers(400, seed=9)
    answers[:, 1] *= -1
    report = analyse_paths(answers, MODEL, draws=DRAWS_MIN)
    assert "reverse-coded: a2" in report.constructs[0].verdict


def test_the_same_seed_gives_the_same_report() -> None:
    answers = factor_answers(100, seed=10)
    steps: list[None] = []
    first = analyse_paths(answers, MODEL, draws=DRAWS_MIN, seed=4, step=lambda: steps.append(None))
    assert first == analyse_paths(answers, MODEL, draws=DRAWS_MIN, seed=4)
    assert first != analyse_paths(answers, MODEL, draws=DRAWS_MIN, seed=5)
    assert len(steps) == DRAWS_MIN


def test_few_respondents_are_reported() -> None:
    report = analyse_paths(factor_answers(15, seed=11), MODEL, draws=DRAWS_MIN)
    assert "15 respondents are few for a scale with 2 predictors" in report.warnings[0]


@pytest.mark.parametrize(
    ("predictors", "complaint"),
    [
        ({"b": ["q"]}, "no scale is called 'q'"),
        ({"q": ["a"]}, "no scale is called 'q'"),
        ({"b": []}, "names no predictor"),
        ({"b": ["b"]}, "run in a circle"),
        ({"b": ["a"], "c": ["b"], "a": ["c"]}, "run in a circle"),
    ],
)
def test_paths_that_cannot_be(predictors: dict[str, list[str]], complaint: str) -> None:
    with pytest.raises(PlanningError, match=complaint):
        path_model(SCALES, predictors)


def test_models_without_a_solution() -> None:
    with pytest.raises(PlanningError, match="item 'a1' is in two scales"):
        path_model({"x": ["a1", "a2"], "y": ["a1", "a3"]}, {"y": ["x"]})
    doubled = np.random.default_rng(12).normal(size=(50, 3)).repeat(2, axis=1)[:, [0, 2, 1, 3, 4, 5]]
    model = path_model({"x": ["x1", "x2"], "z": ["z1", "z2"], "y": ["y1", "y2"]}, {"y": ["x", "z"]})
    with pytest.raises(PlanningError, match="collinear"):
        estimate(correlation_matrix(doubled), model)
    with pytest.raises(PlanningError, match="99 bootstrap samples are too few"):
        analyse_paths(factor_answers(50, seed=1), MODEL, draws=99)
