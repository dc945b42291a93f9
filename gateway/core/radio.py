"""How near a radio is, from how strongly it is heard.

An advertisement is sent on one of three channels, and indoors each of them arrives by many ways that add up or cancel: in
real traces (`python -m tests.presence.noise`) the weakest channel lies 18 dB under the strongest, for as long as nobody moves.
Fades go deep and peaks do not go high, so the mean of the received *power* is steady where a median of levels jumps from
channel to channel: a weak sample hardly moves it, and one strong sample shows at once that they are near.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

PLACE_SD_DB = 2.5  # how far a place's mean lies from the path-loss line: residual of the fit to real rooms
FADE_SD_DB = 5.0  # spread of single samples around that mean; falls with the root of how many are averaged
HAIR_DB = 1e-9  # what rounding takes on the way to milliwatts and back: a level that equals a threshold must reach it
DISTANCE_M_MIN, DISTANCE_M_MAX = 0.1, 100.0

Sample = tuple[int, float]
"""(milliseconds when it was heard, milliwatts)"""


def milliwatts(dbm: float) -> float:
    """Power of a level."""
    return float(10.0 ** (0.1 * dbm))


def mean_dbm(window: Sequence[Sample]) -> float:
    """Level of the mean power of some samples; of none, minus infinity."""
    power = sum([milliwatt for _, milliwatt in window])
    return 10.0 * math.log10(power / len(window)) + HAIR_DB if power > 0.0 else -math.inf


def distance_m(level_dbm: float, reference_dbm: float, exponent: float) -> float:
    """Metres by log-distance path loss (Rappaport, *Wireless Communications*, ch. 4); `reference_dbm` is the level at one metre."""
    tenths = (reference_dbm - level_dbm) / (10.0 * exponent)
    return float(min(max(10.0 ** min(tenths, 9.0), DISTANCE_M_MIN), DISTANCE_M_MAX))


def level_dbm(distance: float, reference_dbm: float, exponent: float) -> float:
    """The level to be expected at so many metres."""
    return reference_dbm - 10.0 * exponent * math.log10(max(distance, DISTANCE_M_MIN))


def spread_db(samples: int) -> float:
    """Standard deviation of a mean of so many samples, seen from the path-loss line."""
    return math.hypot(PLACE_SD_DB, FADE_SD_DB / math.sqrt(samples))


def certainty(lead_db: float, sd_db: float) -> float:
    """How likely a lead is a true one, if what is in between is normal; 0 to 1."""
    return 0.5 * (1.0 + math.erf(lead_db / (sd_db * math.sqrt(2.0))))
