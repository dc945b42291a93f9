"""Printed fit indices: the published contradictions, and figures computed from real chi-squares, which never contradict each other."""

from __future__ import annotations

import numpy as np
import pytest

from models.planning.fit_indices import check_indices, printed
from models.planning.sheets import PlanningError


def impossible(indices: dict[str, str], respondents: int | None = None, repeated: dict[str, list[str]] | None = None) -> set[str]:
    return {check.relation.split(" = ")[0] for check in check_indices(indices, respondents, repeated) if not check.possible}


def test_the_published_indices_contradict_each_other() -> None:
    """NNFI .96 above CFI .95, IFI .93 below it, R² .790 in the text and .76 in the table; RMSEA .03 does follow from 1.34 and n 384."""
    indices = {"nnfi": ".96", "cfi": ".95", "ifi": ".93", "rmsea": ".03", "chi2_per_df": "1.34"}
    checks = check_indices(indices, 384, {"R²": [".790", ".76"]})
    assert {check.relation for check in checks if not check.possible} == {"NNFI < CFI", "CFI < IFI", "NNFI < IFI", "R² is one figure"}
    (rmsea,) = (check for check in checks if check.relation.startswith("RMSEA"))
    assert rmsea.possible
    assert rmsea.relation.endswith("= 0.0295 to 0.0300")


@pytest.mark.parametrize("seed", range(20))
def test_figures_of_one_model_never_contradict_each_other(seed: int) -> None:
    draws = np.random.default_rng(seed)
    for _ in range(50):
        df, n = int(draws.integers(5, 400)), int(draws.integers(50, 2_000))
        df_base = df + int(draws.integers(5, 200))
        chi2 = df * draws.uniform(0.7, 4)
        chi2_base = df_base * max(chi2 / df, 1) * draws.uniform(1.05, 30)
        excess, excess_base = max(chi2 - df, 0), chi2_base - df_base
        figures = {
            "cfi": 1 - excess / excess_base,
            "nnfi": (chi2_base / df_base - chi2 / df) / (chi2_base / df_base - 1),
            "ifi": (chi2_base - chi2) / (chi2_base - df),
            "nfi": 1 - chi2 / chi2_base,
            "rfi": 1 - (chi2 / df) / (chi2_base / df_base),
            "rmsea": np.sqrt(excess / df / (n - 1)),
            "chi2_per_df": chi2 / df,
        }
        assert impossible({name: f"{value:.2f}" for name, value in figures.items()}, n) == set()


@pytest.mark.parametrize(
    ("indices", "faults"),
    [
        ({"nnfi": ".95", "cfi": ".95"}, set()),  # .945 below .955
        ({"nnfi": ".96", "cfi": ".95"}, {"NNFI < CFI"}),
        ({"nnfi": "1.02", "cfi": "1.00"}, set()),  # chi² below df: NNFI is not bounded by CFI
        ({"nnfi": "1.02", "cfi": "1.00", "chi2_per_df": "1.3"}, {"NNFI < CFI"}),
        ({"nfi": ".94", "cfi": ".92"}, {"NFI <= CFI"}),
        ({"rfi": ".94", "nfi": ".92"}, {"RFI <= NFI"}),
        ({"agfi": ".94", "gfi": ".92"}, {"AGFI <= GFI"}),
        ({"cfi": ".90", "chi2_per_df": ".80"}, {"CFI"}),
        ({"cfi": "1.10", "gfi": ".9"}, {"0 <= CFI <= 1"}),
        ({"rmsea": "-.02", "cfi": ".95", "ifi": ".96"}, {"0 <= RMSEA"}),
    ],
)
def test_relations(indices: dict[str, str], faults: set[str]) -> None:
    assert impossible({"gfi": ".99", "agfi": ".80"} | indices) == faults


@pytest.mark.parametrize(
    ("rmsea", "faults"), [(".03", set()), (".02", {"RMSEA"}), (".05", {"RMSEA"}), (".0298", set()), (".0290", {"RMSEA"})]
)
def test_rmsea_follows_from_chi2_and_sample_size(rmsea: str, faults: set[str]) -> None:
    assert impossible({"rmsea": rmsea, "chi2_per_df": "1.34"}, 384) == faults


def test_a_figure_is_read_with_its_places() -> None:
    assert (str(printed(".95").low), str(printed(".95").high)) == ("0.945", "0.955")
    assert (str(printed("3").low), str(printed("3").high)) == ("2.5", "3.5")
    assert impossible({}, repeated={"R²": [".790", ".79"]}) == set()


@pytest.mark.parametrize(
    ("indices", "repeated", "complaint"),
    [
        ({"cfi": "high"}, {}, "'high' is not a printed figure"),
        ({"cfi": "nan"}, {}, "not a finite figure"),
        ({"srmr": ".05"}, {}, "no index is called 'srmr'"),
        ({"cfi": ".95"}, {}, "nothing to check"),
        ({}, {"R²": [".79"]}, "at least twice"),
    ],
)
def test_what_cannot_be_checked(indices: dict[str, str], repeated: dict[str, list[str]], complaint: str) -> None:
    with pytest.raises(PlanningError, match=complaint):
        check_indices(indices, None, repeated)


def test_rmsea_needs_a_sample() -> None:
    with pytest.raises(PlanningError, match="at least 2 are needed"):
        check_indices({"rmsea": ".03", "chi2_per_df": "1.3"}, 1)
