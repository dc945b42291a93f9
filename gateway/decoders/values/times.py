"""Stated times: Unix seconds, as a number or as digits, or ISO 8601.

A time that cannot be read is `None`, as if it were not stated: the rest of the message is kept, and the engine compares
each stated time with its own clock anyway.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.core import limits

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DIGITS_MAX = 13


def seconds(value: object) -> int | None:
    """Unix seconds from an integer or a text of digits; `None` for everything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def seconds_ms(value: object) -> int | None:
    """Unix seconds (integer or digits) as milliseconds, or `None`; below 0 and after CLOCK_CEILING_MS too."""
    stated = seconds(value)
    return None if stated is None else _plausible(stated * 1_000)


def iso_ms(value: object) -> int | None:
    """ISO 8601 with a time zone as milliseconds, rounded down, or `None`; below 0 and after CLOCK_CEILING_MS too."""
    if not isinstance(value, str) or len(value) > limits.TEXT_CHARS_MAX:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return _plausible((moment - _EPOCH) // _MILLISECOND)


def iso_of(at_ms: int) -> str:
    """Milliseconds as ISO 8601 in UTC."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat()


def _plausible(at_ms: int) -> int | None:
    return at_ms if 0 <= at_ms <= limits.CLOCK_CEILING_MS else None
