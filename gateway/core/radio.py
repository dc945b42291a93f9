"""Distance from received signal strength.

An advertisement is sent on one of three channels. Indoors each channel arrives by several paths that add up or cancel: in real traces
(`python -m tests.presence.noise`) the weakest channel is 18 dB below the strongest for as long as transmitter and receiver stand still.
Fades are deep and peaks are low, so the mean received *power* is steady where the median level jumps between channels: a weak sample
hardly changes the mean, and one strong sample shows at once that the transmitter is near.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

PLACE_SD_DB = 2.5  # standard deviation of the mean at one position around the path-loss line: residual of the fit to real rooms
FADE_SD_DB = 5.0  # standard deviation of single samples around that mean
ROUNDING_DB = 1e-9  # error of the conversion to milliwatts and back: a level equal to a threshold must reach it
DISTANCE_M_MIN, DISTANCE_M_MAX = 0.1, 100.0

Sample = tuple[int, float]
"""(time of reception in milliseconds, power in milliwatts)"""


def milliwatts(dbm: float) -> float:
    """Power in milliwatts of a level in dBm."""
    return math.pow(10.0, 0.1 * dbm)


def mean_dbm(window: Sequence[Sample]) -> float:
    """Level in dBm of the mean power of samples; minus infinity without power."""
    power = sum([milliwatt for _, milliwatt in window])
    return 10.0 * math.log10(power / len(window)) + ROUNDING_DB if power > 0.0 else -math.inf


def distance_m(level_dbm: float, reference_dbm: float, exponent: float) -> float:
    """Metres by log-distance path loss (Rappaport, *Wireless Communications*, ch. 4); `reference_dbm` is the level at one metre."""
    tenths = (reference_dbm - level_dbm) / (10.0 * exponent)
    return float(min(max(10.0 ** min(tenths, 9.0), DISTANCE_M_MIN), DISTANCE_M_MAX))


def level_dbm(distance: float, reference_dbm: float, exponent: float) -> float:
    """Expected level in dBm at `distance` metres, the inverse of `distance_m`."""
    return reference_dbm - 10.0 * exponent * math.log10(max(distance, DISTANCE_M_MIN))


def mean_sd_db(samples: int) -> float:
    """Standard deviation of the mean of that many samples around the path-loss line."""
    return math.hypot(PLACE_SD_DB, FADE_SD_DB / math.sqrt(samples))


def normal_cdf(value: float, sd: float) -> float:
    """Probability that a normal variable with mean `value` and standard deviation `sd` is above 0."""
    return 0.5 * (1.0 + math.erf(value / (sd * math.sqrt(2.0))))
