"""`wayside-models holidays`: the public holidays of a country or region, as the line of a gateway's config.

The dates come from the library `holidays` (MIT), because rules for moving feasts and regions change with laws. It runs here and not on the
device: a gateway needs some dozen dates a year, and the library is 1.7 MB of rules of all countries.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from models.errors import ModelsError
from models.history.mapping import nearest
from models.planning.options import AsJson
from models.screen import print_json, say

YEARS_MAX = 20


def public_holidays(country: str, region: str | None, first_year: int, last_year: int) -> dict[date, str]:
    """Date -> name, in the order of the dates.

    Raises ModelsError for an unknown country or region, and for a year for which the library has no dates.
    """
    import holidays  # noqa: PLC0415 - takes 0.2 s, and only this command needs it

    known = holidays.list_supported_countries()
    if country not in known:
        raise ModelsError(f"no holidays are known for the country {country!r}{nearest(country, known)}")
    if region is not None and region not in known[country]:
        raise ModelsError(f"{country} has no region {region!r}{nearest(region, known[country])}")
    if not first_year <= last_year < first_year + YEARS_MAX:
        raise ModelsError(f"the years {first_year} to {last_year} must rise and be at most {YEARS_MAX}")
    years = range(first_year, last_year + 1)
    found = dict(sorted(holidays.country_holidays(country, subdiv=region, years=years).items()))
    if missing := sorted(set(years) - {day.year for day in found}):
        raise ModelsError(f"no holidays of {country} are known for {missing[0]}; ask for other years")
    return found


def list_holidays(
    country: Annotated[str, typer.Argument(help="Country as two letters (ISO 3166-1), such as DE.")],
    *,
    region: Annotated[str | None, typer.Option(help="Region of the country (ISO 3166-2 without the country), such as BE.")] = None,
    first_year: Annotated[int, typer.Option("--from", help="First year.")],
    last_year: Annotated[int, typer.Option("--to", help="Last year; after it the attribute `holiday` is unknown.")],
    as_json: AsJson = False,
) -> None:
    """Print the public holidays of a country, for `holidays` in a gateway's config."""
    found = public_holidays(country.upper(), region, first_year, last_year)
    if as_json:
        print_json({day.isoformat(): name for day, name in found.items()})
        return
    say("\n".join(["holidays = [", *(f"  {day},  # {' '.join(name.split())}" for day, name in found.items()), "]"]))
