"""Coded interviews: how often each code occurs, whether further interviews still bring new codes, and how far two coders agree.

Saturation depends on the order of the interviews, so the curve stands beside the expected one over all orders (rarefaction), and codes that
appear after the saturation point are counted.

Agreement is Cohen's kappa. A segment may have several codes, so each code is a yes or no per segment; the kappa over all codes pools the
observed and the expected agreement of the codes (De Vries et al. 2008). Where every segment has exactly one code per coder, the pooled
kappa is Cohen's own kappa for several categories.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.inter_rater import cohens_kappa

from models.measures import Interval
from models.planning.sheets import FIRST_LINE, PlanningError, read_lines

COLUMNS = ("interview", "segment", "coder", "code")
DRAWS = 1_000
INTERVIEWS_MIN = 8  # below, the interval of the pooled kappa is over segments, which may be too narrow
# Landis and Koch 1977.
AGREEMENT_WORDS = ((0.81, "almost perfect"), (0.61, "substantial"), (0.41, "moderate"), (0.21, "fair"), (0.0, "slight"))

Flags = NDArray[np.bool_]


class Coded(msgspec.Struct, frozen=True):
    """One row: a coder gave a segment a code; `code` is empty for a segment that was read and got none."""

    interview: str
    segment: str
    coder: str
    code: str


class Frequency(msgspec.Struct, frozen=True):
    """Segments and interviews with a code of any coder, and the share of all interviews."""

    code: str
    segments: int
    interviews: int
    share: float


class Saturation(msgspec.Struct, frozen=True):
    """New codes by interview. `expected` is the mean number of codes after 1, 2, … interviews over all orders.

    `reached_after` is the number of interviews after which the next `run` add no code, None if there is no such point; `late_codes` counts
    codes that appear still later.
    """

    interviews: tuple[str, ...]
    new: tuple[int, ...]
    total: tuple[int, ...]
    expected: tuple[float, ...]
    run: int
    reached_after: int | None
    late_codes: int


class CodeAgreement(msgspec.Struct, frozen=True):
    """Agreement on one code: segments with it by both coders, by the first or second only, by neither; kappa is NaN without variation."""

    code: str
    both: int
    first_only: int
    second_only: int
    neither: int
    kappa: Interval


class Agreement(msgspec.Struct, frozen=True):
    """Agreement of two coders on the segments of the interviews that both coded; `unit` is resampled for the pooled interval."""

    coders: tuple[str, str]
    interviews: int
    segments: int
    codes: tuple[CodeAgreement, ...]
    pooled: Interval
    unit: str
    verdict: str


class CodingReport(msgspec.Struct, frozen=True):
    """Report of a table of coded segments. `agreement` is None with one coder only; `repeated` counts rows that occur twice."""

    rows: int
    repeated: int
    segments: int
    coders: tuple[str, ...]
    frequencies: tuple[Frequency, ...]
    saturation: Saturation
    agreement: Agreement | None
    warnings: tuple[str, ...]


def read_coded(path: Path) -> list[Coded]:
    """Rows of a CSV file with the columns interview, segment, coder and code, in any order; other columns are ignored.

    Raises PlanningError if a column is missing or occurs twice, or a row has no interview, segment or coder.
    """
    header, lines = read_lines(path)
    for name in COLUMNS:
        if header.count(name) != 1:
            raise PlanningError(f"{path} has {header.count(name)} columns {name!r}; needed once each: {', '.join(COLUMNS)}")
    places = [header.index(name) for name in COLUMNS]
    rows = [Coded(*(line[place].strip() for place in places)) for line in lines]
    for number, row in enumerate(rows, start=FIRST_LINE):
        for name in COLUMNS[:3]:
            if not getattr(row, name):
                raise PlanningError(f"{path}: line {number}, column {name!r} is empty; only a code may be")
    return rows


def analyse_coding(rows: Sequence[Coded], *, coders: tuple[str, str] | None = None, run: int = 3, seed: int = 0) -> CodingReport:
    """Report of coded segments; interviews in the order of first occurrence. `run` interviews without a new code are saturation.

    Raises PlanningError if there is no code, a coder is unknown, there are three coders or more and no two are named, or the two share no
    interview.
    """
    unique = list(dict.fromkeys(rows))
    found = tuple(dict.fromkeys(row.coder for row in unique))
    codes = list(dict.fromkeys(row.code for row in unique if row.code))
    if not codes:
        raise PlanningError("no segment has a code")
    pair = _pair(found, coders)
    return CodingReport(
        rows=len(rows),
        repeated=len(rows) - len(unique),
        segments=len({(row.interview, row.segment) for row in unique}),
        coders=found,
        frequencies=_frequencies(unique),
        saturation=saturation(unique, run),
        agreement=None if pair is None else agreement(unique, pair, seed),
        warnings=_warnings(codes),
    )


def saturation(rows: Sequence[Coded], run: int) -> Saturation:
    """Curve of new codes, and the first point after which `run` interviews add none. Raises PlanningError if `run` is below 1."""
    if run < 1:
        raise PlanningError("saturation needs at least one interview without a new code")
    interviews = list(dict.fromkeys(row.interview for row in rows))
    by_interview = [{row.code for row in rows if row.code and row.interview == interview} for interview in interviews]
    seen: set[str] = set()
    new = []
    for codes in by_interview:
        new.append(len(codes - seen))
        seen |= codes
    reached = next((place for place in range(1, len(new) - run + 1) if not any(new[place : place + run])), None)
    holders = Counter(code for codes in by_interview for code in codes)
    return Saturation(
        interviews=tuple(interviews),
        new=tuple(new),
        total=tuple(np.cumsum(new).tolist()),
        expected=tuple(_expected_codes(list(holders.values()), len(interviews), size) for size in range(1, len(interviews) + 1)),
        run=run,
        reached_after=reached,
        late_codes=0 if reached is None else sum(new[reached:]),
    )


def agreement(rows: Sequence[Coded], coders: tuple[str, str], seed: int = 0) -> Agreement:
    """Agreement of two coders on every segment of the interviews that both coded.

    A segment that neither coder coded counts if the table lists it with an empty code. Raises PlanningError if the coders share no
    interview.
    """
    first, second = ({row.interview for row in rows if row.coder == coder} for coder in coders)
    shared = first & second
    if not shared:
        raise PlanningError(f"{coders[0]!r} and {coders[1]!r} coded no interview in common: there is no agreement to measure")
    segments = list(dict.fromkeys((row.interview, row.segment) for row in rows if row.interview in shared))
    codes = list(dict.fromkeys(row.code for row in rows if row.code and row.interview in shared and row.coder in coders))
    if not codes:
        raise PlanningError(f"{coders[0]!r} and {coders[1]!r} gave no code in the interviews that both coded")
    given = np.stack([_given(rows, coder, segments, codes) for coder in coders])
    pooled, unit = _pooled_interval(given, [interview for interview, _ in segments], seed)
    return Agreement(
        coders=coders,
        interviews=len(shared),
        segments=len(segments),
        codes=tuple(_code_agreement(code, given[:, :, place]) for place, code in enumerate(codes)),
        pooled=pooled,
        unit=unit,
        verdict=_agreement_words(pooled.value),
    )


def pooled_kappa(given: Flags) -> float:
    """Pooled kappa of the flags (2 coders, segments, codes); NaN if agreement by chance is complete."""
    observed = (given[0] == given[1]).mean()
    first, second = given.mean(axis=1)
    expected = (first * second + (1 - first) * (1 - second)).mean()
    return float((observed - expected) / (1 - expected)) if expected < 1 else math.nan


def _pair(found: tuple[str, ...], named: tuple[str, str] | None) -> tuple[str, str] | None:
    if named is None:
        if len(found) > 2:
            raise PlanningError(f"{len(found)} coders are in the table ({', '.join(found)}): name two by --coders {found[0]},{found[1]}")
        return (found[0], found[1]) if len(found) == 2 else None
    if unknown := [coder for coder in named if coder not in found]:
        raise PlanningError(f"no coder is called {unknown[0]!r}; there are {', '.join(found)}")
    if named[0] == named[1]:
        raise PlanningError(f"--coders names {named[0]!r} twice")
    return named


def _frequencies(rows: Sequence[Coded]) -> tuple[Frequency, ...]:
    """By falling number of interviews, then of segments, then by name."""
    count = len({row.interview for row in rows})
    segments = Counter(code for code, _, _ in {(row.code, row.interview, row.segment) for row in rows if row.code})
    interviews = Counter(code for code, _ in {(row.code, row.interview) for row in rows if row.code})
    order = sorted(segments, key=lambda code: (-interviews[code], -segments[code], code))
    return tuple(Frequency(code, segments[code], interviews[code], interviews[code] / count) for code in order)


def _expected_codes(holders: Sequence[int], interviews: int, size: int) -> float:
    """Mean number of codes in `size` of the interviews; `holders` are the numbers of interviews with each code."""
    orders = math.comb(interviews, size)
    return sum(1 - math.comb(interviews - held, size) / orders for held in holders)


def _given(rows: Sequence[Coded], coder: str, segments: Sequence[tuple[str, str]], codes: Sequence[str]) -> Flags:
    """Whether the coder gave each segment each code, (segments, codes)."""
    row_of, column_of = ({name: place for place, name in enumerate(names)} for names in (segments, codes))
    flags = np.zeros((len(segments), len(codes)), dtype=np.bool_)
    for row in rows:
        if row.coder == coder and row.code and (row.interview, row.segment) in row_of:
            flags[row_of[row.interview, row.segment], column_of[row.code]] = True
    return flags


def _code_agreement(code: str, given: Flags) -> CodeAgreement:
    """Interval by the standard error of Fleiss, Cohen and Everitt (1969), which takes segments as independent, up to 1."""
    first, second = given
    both, first_only = int((first & second).sum()), int((first & ~second).sum())
    second_only, neither = int((~first & second).sum()), int((~first & ~second).sum())
    kappa = Interval(math.nan, math.nan, math.nan)
    if 0 < both + first_only < len(first) or 0 < both + second_only < len(first):
        with np.errstate(invalid="ignore"):  # a coder without variation has no standard error: the interval is NaN
            result = cohens_kappa(np.array([[both, first_only], [second_only, neither]]))
        kappa = Interval(float(result.kappa), float(result.kappa_low), min(1.0, float(result.kappa_upp)))
    return CodeAgreement(code, both, first_only, second_only, neither, kappa)


def _pooled_interval(given: Flags, interviews: Sequence[str], seed: int) -> tuple[Interval, str]:
    """Pooled kappa with its bootstrap interval: over interviews, or over segments where interviews are few."""
    names, place = np.unique(interviews, return_inverse=True)
    unit = "interviews" if len(names) >= INTERVIEWS_MIN else "segments"
    groups = (
        [np.flatnonzero(place == number) for number in range(len(names))] if unit == "interviews" else list(np.arange(len(place))[:, None])
    )
    draws = np.random.default_rng(seed)
    drawn = [
        pooled_kappa(given[:, np.concatenate([groups[number] for number in draws.integers(len(groups), size=len(groups))])])
        for _ in range(DRAWS)
    ]
    known = [kappa for kappa in drawn if not math.isnan(kappa)]
    low, high = np.percentile(known, [2.5, 97.5]) if known else (math.nan, math.nan)
    return Interval(pooled_kappa(given), float(low), float(high)), unit


def _agreement_words(kappa: float) -> str:
    if math.isnan(kappa):
        return "not defined: the codes do not vary"
    return next((word for least, word in AGREEMENT_WORDS if kappa >= least), "worse than chance")


def _warnings(codes: Sequence[str]) -> tuple[str, ...]:
    """Codes that differ in capitals or spaces only are probably one."""
    plain: dict[str, list[str]] = {}
    for code in codes:
        plain.setdefault(" ".join(code.casefold().split()), []).append(code)
    return tuple(
        f"codes that differ only in capitals or spaces are counted apart: {', '.join(alike)}" for alike in plain.values() if len(alike) > 1
    )
