"""Learned artefacts beside the model: patterns with a value, and priors for the online model that learns from each answer.

`models/patterns` and `models/propensity` write them on a workstation; the gateway reads them from a bundle. The shapes are declared here
for both. The two parsers check what a shape cannot express: rising edges, as many counts as bins, offers of the campaign. Both artefacts
hold counts, sums and names of things, and no rows of people.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.core import limits

PATTERNS_FORMAT = 1
PATTERNS_MAX = 10_000
_FLOAT32_MAX = 3.4028235e38  # feature values are float32, so no value lies beyond such an edge
_COUNT_MAX = 1e12  # rows; a thousand such counts still add up exactly in a double
SCORE_EDGES = tuple(step / 2 for step in range(-6, 7))  # bins of the uncalibrated score, in log-odds
SCORE_BINS = len(SCORE_EDGES) + 1

Name = Annotated[str, Meta(min_length=1, max_length=limits.TEXT_CHARS_MAX)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[float, Meta(ge=0, le=_COUNT_MAX)]
Counts = Annotated[tuple[Count, ...], Meta(max_length=256)]
ScoreCounts = Annotated[tuple[Count, ...], Meta(min_length=SCORE_BINS, max_length=SCORE_BINS)]
Edge = Annotated[float, Meta(ge=-_FLOAT32_MAX, le=_FLOAT32_MAX)]


class Pattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rule `left` -> `right`, with `worth_minor`, the value expected from proposing it.

    Amounts are in minor units of money, over the time span of the data that the rule was mined from.
    """

    left: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=16)]
    right: Name
    confidence: Share
    lift: Annotated[float, Meta(ge=0)]
    reach: Annotated[int, Meta(ge=1, le=limits.INTEGER_MAX)]
    margin_minor: float
    worth_minor: Annotated[float, Meta(gt=0)]


class PatternFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `patterns.json`."""

    format: Annotated[int, Meta(ge=PATTERNS_FORMAT, le=PATTERNS_FORMAT)]
    patterns: Annotated[tuple[Pattern, ...], Meta(max_length=PATTERNS_MAX)]


class Predictor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature: `edges` of its bins, and the number of offers taken and refused in each bin; unknown values are in one more bin."""

    name: Name
    edges: Annotated[tuple[Edge, ...], Meta(max_length=254)]
    taken: Counts
    refused: Counts
    group: Annotated[int, Meta(ge=0, le=limits.INTEGER_MAX)] = 0


class OfferPriors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The counts of one offer, or of "category:NAME" or "all" for models of more offers.

    `score_taken` and `score_refused` count its answers by bin of the uncalibrated score (SCORE_EDGES).
    """

    offer: Annotated[str, Meta(min_length=1, max_length=80)]
    predictors: Annotated[tuple[Predictor, ...], Meta(max_length=limits.COLUMNS_MAX)]
    taken: Count = 0.0
    refused: Count = 0.0
    score_taken: ScoreCounts = (0.0,) * SCORE_BINS
    score_refused: ScoreCounts = (0.0,) * SCORE_BINS
    half_life_days: Annotated[float, Meta(gt=0, le=36_500)] = 90.0
    at_ms: Annotated[int, Meta(ge=0, le=limits.INTEGER_MAX)] = 0


_Priors = Annotated[tuple[OfferPriors, ...], Meta(max_length=limits.PRIORS_MAX)]


def parse_patterns(content: bytes) -> tuple[Pattern, ...]:
    """The patterns in `content` (JSON). Raises ValueError that names the first invalid one."""
    try:
        return msgspec.json.decode(content, type=PatternFile).patterns
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)[:300]) from error


def parse_priors(content: bytes, offers: Collection[str], columns: Collection[str]) -> tuple[OfferPriors, ...]:
    """Priors in `content` (JSON), at most one for each of `offers`, on `columns`. Raises ValueError that names the first fault."""
    try:
        priors = msgspec.json.decode(content, type=_Priors)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)[:300]) from error
    _check_names([prior.offer for prior in priors], offers, "an offer of the campaign")
    for prior in priors:
        _check_names([predictor.name for predictor in prior.predictors], columns, f"a column of the model (offer {prior.offer!r})")
        for predictor in prior.predictors:
            _check_bins(prior.offer, predictor)
    return priors


def _check_names(names: Sequence[str], known: Collection[str], what: str) -> None:
    """Raise ValueError for a name that is not in `known`, or that occurs twice."""
    for index, name in enumerate(names):
        if name not in known:
            raise ValueError(f"{name!r} is not {what}")
        if name in names[:index]:
            raise ValueError(f"{name!r} occurs twice")


def _check_bins(offer: str, predictor: Predictor) -> None:
    """Raise ValueError if the edges do not rise, or if there are not as many counts as bins: edges + 1, and one for unknown values."""
    where = f"{predictor.name} of {offer!r}"
    if any(left >= right for left, right in zip(predictor.edges, predictor.edges[1:], strict=False)):
        raise ValueError(f"the edges of {where} do not rise")
    if not len(predictor.taken) == len(predictor.refused) == len(predictor.edges) + 2:
        counts = f"counts for {len(predictor.taken)} and {len(predictor.refused)} bins"
        raise ValueError(f"{where} has {len(predictor.edges)} edges, but {counts}: two more bins than edges are needed")
