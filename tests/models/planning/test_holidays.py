"""Public holidays as the line of a gateway's config: known dates, and errors with the nearest name."""

from __future__ import annotations

import json
import tomllib
from datetime import date

import pytest

from models.errors import ModelsError
from models.planning.holidays import public_holidays
from tests.models.planning.test_commands import models


def test_the_output_is_toml_with_known_dates() -> None:
    """Berlin 2026: Easter is on 5 April, and the Women's Day is a holiday of that region only."""
    printed = models("holidays", "DE", "--region", "BE", "--from", 2026, "--to", 2026)
    assert printed.exit_code == 0
    days = tomllib.loads(printed.stdout)["holidays"]
    easter = [date(2026, 4, 3), date(2026, 4, 6)]
    assert days == [
        date(2026, 1, 1),
        date(2026, 3, 8),
        *easter,
        date(2026, 5, 1),
        date(2026, 5, 14),
        date(2026, 5, 25),
        date(2026, 10, 3),
        date(2026, 12, 25),
        date(2026, 12, 26),
    ]
    everywhere = public_holidays("DE", None, 2026, 2026)
    assert set(days) - set(everywhere) == {date(2026, 3, 8)}
    as_json = json.loads(models("holidays", "de", "--from", 2026, "--to", 2027, "--json").stdout)
    assert len(as_json) == 2 * len(everywhere)


@pytest.mark.parametrize(
    ("country", "region", "years", "message"),
    [
        ("XX", None, (2026, 2026), "no holidays are known for the country 'XX'"),
        ("DE", "BX", (2026, 2026), "DE has no region 'BX'; the nearest is '"),
        ("DE", None, (2027, 2026), "must rise"),
        ("DE", None, (1900, 2026), "at most 20"),
    ],
)
def test_a_fault_is_named(country: str, region: str | None, years: tuple[int, int], message: str) -> None:
    with pytest.raises(ModelsError, match=message):
        public_holidays(country, region, *years)
