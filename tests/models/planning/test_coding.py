"""Coded interviews: kappa by hand and by other programs, saturation that was planted, coders that guess."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from models.planning.coding import Coded, agreement, analyse_coding, pooled_kappa, read_coded, saturation
from models.planning.sheets import PlanningError


def coded(*rows: str) -> list[Coded]:
    """Rows written as "interview segment coder code"; "-" is no code."""
    return [Coded(*("" if part == "-" else part for part in row.split())) for row in rows]


def four_fold(both: int, first: int, second: int, neither: int) -> list[Coded]:
    """Segments of one interview that two coders, ann and bob, gave the code `x` or none."""
    marks = [("x", "x")] * both + [("x", "-")] * first + [("-", "x")] * second + [("-", "-")] * neither
    return coded(
        *(f"i s{number} {coder} {code}" for number, pair in enumerate(marks) for coder, code in zip(("ann", "bob"), pair, strict=True))
    )


def test_kappa_of_a_published_table() -> None:
    """31, 12, 4 and 58 segments: kappa .6757, standard error .0734, 95 % .5317 to .8196 (statpsych's ci.kappa gives the same)."""
    (code,) = agreement(four_fold(31, 12, 4, 58), ("ann", "bob")).codes
    assert (code.both, code.first_only, code.second_only, code.neither) == (31, 12, 4, 58)
    assert (code.kappa.value, code.kappa.low, code.kappa.high) == pytest.approx((0.6756757, 0.5317210, 0.8196303))


def test_pooled_kappa_of_one_code_is_its_kappa() -> None:
    result = agreement(four_fold(31, 12, 4, 58), ("ann", "bob"))
    assert result.pooled.value == pytest.approx(0.6756757)
    assert result.pooled.low < result.pooled.value < result.pooled.high
    assert (result.unit, result.verdict, result.interviews, result.segments) == ("segments", "substantial", 1, 105)


def test_pooled_kappa_is_cohens_where_each_segment_has_one_code() -> None:
    draws = np.random.default_rng(1)
    first = draws.integers(0, 4, 300)
    second = np.where(draws.uniform(size=300) < 0.6, first, draws.integers(0, 4, 300))
    given = np.stack([choice[:, None] == np.arange(4) for choice in (first, second)])
    assert pooled_kappa(given) == pytest.approx(cohen_kappa_score(first, second))


def test_the_interval_of_a_kappa_ends_at_1() -> None:
    (code,) = agreement(four_fold(10, 1, 0, 30), ("ann", "bob")).codes
    assert 0.8 < code.kappa.value < code.kappa.high == 1.0


def test_coders_who_guess_agree_by_chance_only() -> None:
    draws = np.random.default_rng(2)
    assert pooled_kappa(draws.uniform(size=(2, 5_000, 6)) < 0.3) == pytest.approx(0.0, abs=0.02)
    same = draws.uniform(size=(1, 50, 6)) < 0.3
    assert pooled_kappa(np.concatenate([same, same])) == pytest.approx(1.0)


def test_a_code_that_both_give_to_every_segment_has_no_kappa() -> None:
    (code,) = agreement(four_fold(9, 0, 0, 0), ("ann", "bob")).codes
    assert math.isnan(code.kappa.value)
    assert agreement(four_fold(9, 0, 0, 0), ("ann", "bob")).verdict.startswith("not defined")


def test_agreement_is_measured_on_the_interviews_that_both_coded() -> None:
    """Interview 2 was read by ann only; in interview 1 bob left segment s2 without a code, which is a disagreement."""
    rows = coded("1 s1 ann x", "1 s1 bob x", "1 s2 ann x", "1 s3 ann -", "2 s1 ann y")
    result = agreement(rows, ("ann", "bob"))
    assert (result.interviews, result.segments, [code.code for code in result.codes]) == (1, 3, ["x"])
    assert (result.codes[0].both, result.codes[0].first_only, result.codes[0].neither) == (1, 1, 1)


def test_many_interviews_are_the_unit_of_the_interval() -> None:
    draws = np.random.default_rng(3)
    rows = coded(
        *(
            f"i{i} s{s} {coder} {'x' if (i + s) % 2 ^ (draws.uniform() < 0.1) else 'y'}"
            for i in range(8)
            for s in range(10)
            for coder in ("ann", "bob")
        )
    )
    result = agreement(rows, ("ann", "bob"), seed=4)
    assert result.unit == "interviews"
    assert 0.4 < result.pooled.low < result.pooled.value < result.pooled.high < 0.95
    assert result == agreement(rows, ("ann", "bob"), seed=4)


def test_saturation_is_where_it_was_planted() -> None:
    """New codes 2, 1, 1, 0, 0, 0, 1: after three interviews the next three add none, and one code comes late."""
    rows = coded("1 s a x", "1 t a y", "2 s a z", "3 s a w", "4 s a x", "5 s a y", "6 s a x", "7 s a late")
    curve = saturation(rows, 3)
    assert (curve.new, curve.total) == ((2, 1, 1, 0, 0, 0, 1), (2, 3, 4, 4, 4, 4, 5))
    assert (curve.reached_after, curve.late_codes) == (3, 1)
    assert saturation(rows, 4).reached_after is None


def test_interviews_that_always_bring_a_new_code_are_not_saturated() -> None:
    curve = saturation(coded(*(f"{number} s a code{number}" for number in range(12))), 1)
    assert curve.reached_after is None
    assert curve.expected == pytest.approx(range(1, 13))  # in every order


def test_the_expected_curve_is_the_mean_over_all_orders() -> None:
    """One code in both interviews, one in one: 1.5 codes after one interview, 2 after both."""
    assert saturation(coded("1 s a x", "1 t a y", "2 s a x"), 1).expected == pytest.approx((1.5, 2.0))


def test_an_interview_without_codes_counts() -> None:
    curve = saturation(coded("1 s a x", "2 s a -", "3 s a -"), 2)
    assert (curve.new, curve.reached_after) == ((1, 0, 0), 1)


def test_frequencies_count_segments_and_interviews_once() -> None:
    rows = coded("1 s ann x", "1 s bob x", "1 t ann x", "2 s ann x", "2 s ann x", "2 s ann y", "3 s ann -")
    report = analyse_coding(rows)
    assert [(f.code, f.segments, f.interviews) for f in report.frequencies] == [("x", 3, 2), ("y", 1, 1)]
    assert [f.share for f in report.frequencies] == pytest.approx([2 / 3, 1 / 3])
    assert (report.rows, report.repeated, report.segments, report.coders) == (7, 1, 4, ("ann", "bob"))


def test_one_coder_has_no_agreement_and_codes_that_look_alike_are_named() -> None:
    report = analyse_coding(coded("1 s ann Speed", "2 s ann speed"))
    assert report.agreement is None
    assert report.warnings == ("codes that differ only in capitals or spaces are counted apart: Speed, speed",)


THREE = ("1 s ann x", "1 s bob x", "1 s cyd y", "2 s dan y")


@pytest.mark.parametrize(
    ("rows", "coders", "complaint"),
    [
        (THREE, None, "4 coders are in the table"),
        (THREE, ("ann", "eve"), "no coder is called 'eve'"),
        (THREE, ("ann", "ann"), "names 'ann' twice"),
        (THREE, ("ann", "dan"), "coded no interview in common"),
        (("1 s ann -",), None, "no segment has a code"),
        (("1 s ann -", "1 s bob -", "2 s ann x"), None, "gave no code"),
    ],
)
def test_what_cannot_be_analysed(rows: tuple[str, ...], coders: tuple[str, str] | None, complaint: str) -> None:
    with pytest.raises(PlanningError, match=complaint):
        analyse_coding(coded(*rows), coders=coders)


def test_two_of_many_coders_can_be_named() -> None:
    report = analyse_coding(coded(*THREE), coders=("bob", "cyd"))
    assert report.agreement is not None
    assert report.agreement.coders == ("bob", "cyd")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("interview,segment,code\n1,s,x\n", "has 0 columns 'coder'"),
        ("interview,segment,coder,code,code\n1,s,a,x,y\n", "has 2 columns 'code'"),
        ("interview,segment,coder,code\n1,s,a,x\n1,,a,x\n", "line 3, column 'segment' is empty"),
        ("interview,segment,coder,code\n1,s,a\n", "line 2 has 3 cells"),
    ],
)
def test_a_table_with_a_fault_is_refused_by_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "segments.csv"
    path.write_text(text)
    with pytest.raises(PlanningError, match=complaint):
        read_coded(path)


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "segments.csv"
    path.write_bytes("\ufeffcode,note,coder,segment,interview\r\nx, ,ann,s,1\r\n".encode())
    assert read_coded(path) == [Coded("1", "s", "ann", "x")]
