"""What history taught, beside the model: patterns with a value, and a start for the model that learns from each answer.

Both are written on a workstation (`models/patterns`, `models/propensity`) and travel in a bundle. The shapes stand here
so that both ends mean the same; what a shape alone cannot say (edges that rise, counts that fit them, offers that exist) is
asked by the two readers. Nobody's rows are in either: counts, sums and names of things.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.core import features, limits
from gateway.core.ids import Id

PATTERNS_FORMAT = 1
PATTERNS_MAX = 10_000
_FLOAT32_MAX = 3.4028235e38  # a model's columns are float32, so an edge beyond that parts nothing
_COUNT_MAX = 1e12  # rows; added up a thousand times still exact
SCORE_EDGES = tuple(step / 2 for step in range(-6, 7))  # of the plain sum, in log-odds
SCORE_BINS = len(SCORE_EDGES) + 1

Name = Annotated[str, Meta(min_length=1, max_length=limits.TEXT_CHARS_MAX)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[float, Meta(ge=0, le=_COUNT_MAX)]
Counts = Annotated[tuple[Count, ...], Meta(max_length=256)]
ScoreCounts = Annotated[tuple[Count, ...], Meta(min_length=SCORE_BINS, max_length=SCORE_BINS)]
Edge = Annotated[float, Meta(ge=-_FLOAT32_MAX, le=_FLOAT32_MAX)]


class Pattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """After `left` comes `right`, and the money that is expected from proposing it, in minor units over the span that it was mined on."""

    left: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=16)]
    right: Name
    confidence: Share
    lift: Annotated[float, Meta(ge=0)]
    reach: Annotated[int, Meta(ge=1, le=limits.INTEGER_MAX)]
    margin_minor: float
    worth_minor: Annotated[float, Meta(gt=0)]


class PatternFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What travels: patterns with a value, and nothing else."""

    format: Annotated[int, Meta(ge=PATTERNS_FORMAT, le=PATTERNS_FORMAT)]
    patterns: Annotated[tuple[Pattern, ...], Meta(max_length=PATTERNS_MAX)]


class Predictor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column: `edges` of its bins, and how often each bin was taken and refused; the unknown stand after the last bin."""

    name: Name
    edges: Annotated[tuple[Edge, ...], Meta(max_length=254)]
    taken: Counts
    refused: Counts
    group: Annotated[int, Meta(ge=0, le=limits.INTEGER_MAX)] = 0


class OfferPriors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The counts of one offer. `score_taken` and `score_refused` count what became of answers by the sum that they had."""

    offer: Id
    predictors: Annotated[tuple[Predictor, ...], Meta(max_length=len(features.FEATURES))]
    taken: Count = 0.0
    refused: Count = 0.0
    score_taken: ScoreCounts = (0.0,) * SCORE_BINS
    score_refused: ScoreCounts = (0.0,) * SCORE_BINS
    half_life_days: Annotated[float, Meta(gt=0, le=36_500)] = 90.0
    at_ms: Annotated[int, Meta(ge=0, le=limits.INTEGER_MAX)] = 0


_Priors = Annotated[tuple[OfferPriors, ...], Meta(max_length=limits.OFFERS_MAX)]


def parse_patterns(content: bytes) -> tuple[Pattern, ...]:
    """The patterns in `content` (JSON); ValueError names the first that may not travel."""
    try:
        return msgspec.json.decode(content, type=PatternFile).patterns
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)[:300]) from error


def parse_priors(content: bytes, offers: Collection[str]) -> tuple[OfferPriors, ...]:
    """The starts in `content` (JSON), each for another of `offers`; ValueError names the first fault."""
    try:
        priors = msgspec.json.decode(content, type=_Priors)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)[:300]) from error
    _once([of.offer for of in priors], offers, "an offer of the campaign")
    for of in priors:
        _once([predictor.name for predictor in of.predictors], features.NAMES, f"a feature (offer {of.offer!r})")
        for predictor in of.predictors:
            _check_bins(of.offer, predictor)
    return priors


def _once(names: Sequence[str], known: Collection[str], what: str) -> None:
    for at, name in enumerate(names):
        if name not in known:
            raise ValueError(f"{name!r} is not {what}")
        if name in names[:at]:
            raise ValueError(f"{name!r} stands there twice")


def _check_bins(offer: str, predictor: Predictor) -> None:
    """So many edges part one bin more, and one more is for the unknown."""
    where = f"{predictor.name} of {offer!r}"
    if any(left >= right for left, right in zip(predictor.edges, predictor.edges[1:], strict=False)):
        raise ValueError(f"the edges of {where} do not rise")
    if not len(predictor.taken) == len(predictor.refused) == len(predictor.edges) + 2:
        counts = f"{len(predictor.taken)} and {len(predictor.refused)} bins"
        raise ValueError(f"{where} has {len(predictor.edges)} edges, but counts for {counts}")
