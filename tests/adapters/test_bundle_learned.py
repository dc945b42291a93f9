"""Patterns and priors in a bundle: patterns without value, negative counts and unknown offers are refused."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from gateway.adapters import bundle
from gateway.adapters.bundle import open_bundle, write_bundle
from gateway.core.bundle import BundleError
from tests.adapters.signed import (
    GROUPS,
    KEY,
    NOW_MS,
    PATTERN_FILE,
    PATTERNS,
    PRIORS,
    draft,
    members,
    model,
    reason,
    resign,
    same,
    write_whole,
)
from tests.kit.attributes import COLUMNS, LONG_ITEM, MINED_SCHEMA


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_whole(tmp_path)


def changed(member: Any, *at: str | int, to: Any) -> bytes:
    """The JSON of `member` with the value `at` a path replaced."""
    value = msgspec.json.decode(msgspec.json.encode(member))
    place = value
    for step in at[:-1]:
        place = place[step]
    place[at[-1]] = to
    return msgspec.json.encode(value)


@pytest.mark.parametrize(
    "content",
    [
        *(changed(PATTERN_FILE, "patterns", 0, "worth_minor", to=worth) for worth in (0, -0.01, None, "12")),
        *(changed(PATTERN_FILE, "patterns", 0, "left", to=left) for left in ([], ["x"] * 17, [""], ["x" * 513])),
        changed(PATTERN_FILE, "patterns", 0, "confidence", to=1.01),
        changed(PATTERN_FILE, "patterns", 0, "reach", to=0),
        changed(PATTERN_FILE, "patterns", 0, "subject", to="anna"),
        changed(PATTERN_FILE, "format", to=2),
        changed(PATTERN_FILE, "patterns", to=[msgspec.to_builtins(PATTERNS[0])] * 10_001),
        msgspec.json.encode(PATTERN_FILE).replace(b"2304.0", b"NaN"),
        msgspec.json.encode(PATTERN_FILE).replace(b"2304.0", b"1e999"),
        b"[" * 100_000,
        b"\xff",
        b"",
    ],
)
def test_a_pattern_without_a_value_or_beyond_a_bound_is_refused(path: Path, content: bytes) -> None:
    resign(path, same, {bundle.PATTERNS: content})
    assert reason(path) == "bad_patterns"


PREDICTOR = (0, "predictors", 0)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (changed(PRIORS, 0, "offer", to="of-yesterday"), "not an offer of the campaign"),
        (msgspec.json.encode(PRIORS * 2), "'flat-white' occurs twice"),
        (changed(PRIORS, *PREDICTOR, "name", to="gender"), "'gender' is not a column of the model"),
        (changed(PRIORS, 0, "predictors", to=[msgspec.to_builtins(PRIORS[0].predictors[0])] * 2), "'hour' occurs twice"),
        (changed(PRIORS, *PREDICTOR, "edges", to=[17.0, 9.5]), "the edges of hour of 'flat-white' do not rise"),
        (changed(PRIORS, *PREDICTOR, "edges", to=[9.5, 9.5]), "do not rise"),
        (changed(PRIORS, *PREDICTOR, "edges", to=[9.5, 1e39]), "<= "),
        (changed(PRIORS, *PREDICTOR, "edges", to=[9.5, None]), "Expected `float`"),
        (changed(PRIORS, *PREDICTOR, "edges", to=[9.5]), "has 1 edges, but counts for 4 and 4 bins"),
        (changed(PRIORS, *PREDICTOR, "refused", to=[1.0] * 5), "has 2 edges, but counts for 4 and 5 bins"),
        (changed(PRIORS, *PREDICTOR, "taken", to=[1.0, 2.0, -0.5, 0.0]), ">= 0"),
        (changed(PRIORS, 0, "taken", to=-1), ">= 0"),
        (changed(PRIORS, 0, "refused", to=2e12), "<= "),
        (changed(PRIORS, 0, "score_taken", to=[0.0] * 13), "length >= 14"),
        (changed(PRIORS, 0, "half_life_days", to=0), "> 0"),
        (changed(PRIORS, 0, "subject", to="anna"), "unknown field"),
        (b"{}", "Expected `array`"),
        (b"\xff", "invalid"),
    ],
)
def test_priors_must_make_sense(path: Path, content: bytes, why: str) -> None:
    resign(path, same, {bundle.PRIORS: content})
    assert reason(path) == "bad_priors"
    with pytest.raises(BundleError, match=re.escape(why)):
        open_bundle(path, [KEY.public_key()], NOW_MS)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"patterns": (msgspec.structs.replace(PATTERNS[0], worth_minor=0.0),)}, "bad_patterns"),
        ({"patterns": (msgspec.structs.replace(PATTERNS[0], worth_minor=float("nan")),)}, "bad_patterns"),
        ({"priors": (msgspec.structs.replace(PRIORS[0], offer="of-yesterday"),)}, "bad_priors"),
        ({"patterns": (msgspec.structs.replace(PATTERNS[0], left=(LONG_ITEM,)),) * 8_000}, "not_a_bundle"),
        ({"patterns": PATTERNS, "model": model()}, "bad_patterns"),
        ({"patterns": (msgspec.structs.replace(PATTERNS[0], right="plaza"),)}, "bad_patterns"),
        ({"groups": GROUPS, "model": model()}, "bad_groups"),
        ({"schema": MINED_SCHEMA, "model": model(columns=(*COLUMNS, "habit"))}, "bad_groups"),
    ],
)
def test_a_signer_cannot_send_what_is_worth_nothing(tmp_path: Path, wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(BundleError) as refused:
        write_bundle(tmp_path / "wrong.bundle", KEY, draft(**wrong))
    assert refused.value.reason == why
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "why"), [(bundle.PATTERNS, "bad_patterns"), (bundle.GROUPS, "bad_groups"), (bundle.PRIORS, "bad_priors")])
def test_signed_nonsense_is_refused_and_nothing_else_happens(path: Path, name: str, why: str) -> None:
    """Bytes of the member are overwritten and signed again, 150 times: it is valid, or it is refused for the right reason."""
    draws = np.random.default_rng(14)
    whole = members(path)[name]
    refused: Counter[str] = Counter()
    for _ in range(150):
        content = bytearray(whole)
        for at in draws.integers(0, len(whole), 2):
            content[at] = draws.choice(list(b'0-9e."[]{},x\xff'))
        resign(path, same, {name: bytes(content)})
        try:
            open_bundle(path, [KEY.public_key()], NOW_MS)
        except BundleError as error:
            refused[error.reason] += 1
    assert set(refused) == {why}
    assert refused[why] > 75
