"""Training rows of proposals that no model scored: a campaign at random, or the records of a shop.

The log of facts is folded by the gateway's own functions up to each proposal, and its row is read by the gateway's own plan, so a
model is trained on the rows that it will be given. The interactions state zone, occasion, dwelling time and sensor values of each proposal
(columns named like the quantities); places and time zone are those of the gateways' configs.
"""

from __future__ import annotations

import csv
import math
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.attributes.grouping import NOTHING_MINED, Mined
from gateway.core.attributes.log import LogRow
from gateway.core.attributes.read import ReadPlan
from gateway.core.attributes.replay import IncompleteLogError, Replay, logged_facts
from gateway.core.attributes.schema import Schema, schema_bytes
from gateway.core.attributes.sources import Request
from gateway.core.context import ZoneContext
from gateway.core.offers import Campaign
from gateway.core.opening_hours import OpeningHours
from gateway.core.opening_hours import parse as parse_hours
from gateway.core.quantities import QUANTITIES
from gateway.core.types import Occasion
from models.history.columns import FEATURE_PREFIX
from models.history.mapping import HistoryError, nearest
from models.history.reading import SIDECAR, Sidecar

TABLE, LOG = "interactions.csv", "facts.jsonl"
NEEDED = ("subject", "at_ms", "what", "zone", "offer", "decision", "facts")


class Places(NamedTuple):
    """Zones of all gateways: position in metres, whether it is a transit zone, opening hours; the time zone and the holidays."""

    positions: Mapping[str, tuple[float, float]]
    transit: frozenset[str]
    timezone: ZoneInfo
    hours: Mapping[str, OpeningHours] = {}
    holidays: frozenset[date] = frozenset()


class Written(msgspec.Struct, frozen=True):
    """Result of `write_rows`: proposals with a row, people, columns, and the columns that are unknown in every row."""

    proposals: int
    people: int
    columns: int
    always_unknown: tuple[str, ...]


def read_places(configs: Sequence[Path]) -> Places:
    """The places in the configs of gateways. Raises HistoryError for a file that is none, and for different time zones."""
    positions: dict[str, tuple[float, float]] = {}
    hours: dict[str, OpeningHours] = {}
    transit, timezones, holidays = set[str](), set[str](), set[date]()
    for path in configs:
        try:
            table = tomllib.loads(path.read_text("utf-8"))
            timezones.add(str(table["timezone"]))
            holidays |= set(table.get("holidays", ()))
            for zone in table["zones"]:
                positions[zone["id"]] = (float(zone.get("x_m", 0.0)), float(zone.get("y_m", 0.0)))
                transit |= {zone["id"]} if zone.get("transit") else set()
                hours |= {zone["id"]: parse_hours(zone["opening_hours"])} if "opening_hours" in zone else {}
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
            raise HistoryError(f"{path} is no gateway config ({error}); `wayside check --config {path}` explains it") from error
    if len(timezones) != 1:
        raise HistoryError(f"the gateways have different time zones: {', '.join(sorted(timezones))}; give those of one site")
    try:
        return Places(positions, frozenset(transit), ZoneInfo(timezones.pop()), hours, frozenset(holidays))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise HistoryError(f"unknown time zone ({error})") from error


def model_columns(schema: Schema) -> tuple[str, ...]:
    """All columns of a schema but those of stated values that another attribute starts from."""
    priors = {one.history.prior for one in schema.attributes if one.history is not None}
    return tuple(column for one in schema.attributes if one.name not in priors for column in one.columns)


def write_rows(folder: Path, schema: Schema, campaign: Campaign, places: Places, out: Path, mined: Mined = NOTHING_MINED) -> Written:
    """Write the interactions of `folder` with an `f_` column for each column of the schema, and `history.json`, to `out`.

    Raises HistoryError for a table or log that cannot be used, an offer that is not in the campaign, and a zone without a config.
    """
    header, rows = _table(folder / TABLE)
    try:
        with (folder / LOG).open("rb") as lines:
            log = logged_facts(lines)
    except (OSError, ValueError) as error:
        raise HistoryError(f"{folder / LOG} cannot be used: {error}") from error
    plan = ReadPlan(schema, model_columns(schema), campaign.offers, places.positions, mined=mined)
    numbers = {offer.id: at for at, offer in enumerate(campaign.offers)}
    proposed: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        if row["what"] == "proposed":
            _check(row, numbers, places)
            proposed[row["subject"]].append(row)
    features = [FEATURE_PREFIX + column for column in plan.columns]
    known = np.zeros(len(features), dtype=bool)
    for subject, decisions in proposed.items():
        for row, values in _person(plan, log.get(subject, []), decisions, numbers, places):
            known |= ~np.isnan(values)
            row.update({name: "" if math.isnan(value) else repr(float(value)) for name, value in zip(features, values, strict=True)})
    out.mkdir(parents=True, exist_ok=True)
    with (out / TABLE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*header, *features], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    described = Sidecar(plan.columns, plan.digest, msgspec.json.decode(schema_bytes(schema)), places.timezone.key)
    (out / SIDECAR).write_bytes(msgspec.json.encode(described) + b"\n")
    unknown = tuple(name for name, stated in zip(plan.columns, known, strict=True) if not stated)
    return Written(sum(map(len, proposed.values())), len(proposed), len(plan.columns), unknown)


def _table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Header and rows of the interactions."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restval="")
            rows, header = list(reader), list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise HistoryError(f"{path} cannot be read ({error})") from error
    for name in NEEDED:
        if name not in header:
            raise HistoryError(f"{path} has no column {name!r}{nearest(name, header)}")
    if scored := [name for name in header if name.startswith(FEATURE_PREFIX)]:
        raise HistoryError(f"{path} has the scored column {scored[0]}: train on it as it is")
    return header, rows


def _check(row: Mapping[str, str], numbers: Mapping[str, int], places: Places) -> None:
    if row["offer"] not in numbers:
        raise HistoryError(f"proposal {row['decision']}: the campaign has no offer {row['offer']!r}{nearest(row['offer'], numbers)}")
    if row["zone"] not in places.positions:
        raise HistoryError(f"proposal {row['decision']}: no config has a zone {row['zone']!r}{nearest(row['zone'], places.positions)}")


def _person(
    plan: ReadPlan, log: Sequence[LogRow], decisions: Sequence[dict[str, str]], numbers: Mapping[str, int], places: Places
) -> Iterator[tuple[dict[str, str], NDArray[np.float32]]]:
    """Each proposal of one person with its row (columns,)."""
    replay, at = Replay(plan), 0
    for row in sorted(decisions, key=lambda one: (_number(one, "facts"), _number(one, "at_ms"))):
        facts, now_ms = int(_number(row, "facts")), int(_number(row, "at_ms"))
        if facts > len(log):
            raise HistoryError(f"proposal {row['decision']} rests on {facts} facts, {LOG} has {len(log)} of {row['subject']}")
        try:
            while at < facts:
                replay.fold(log[at])
                at += 1
        except IncompleteLogError as error:
            raise HistoryError(f"{LOG}, {row['subject']}: {error}") from error
        yield row, plan.matrix(_request(row, now_ms, places, replay), [numbers[row["offer"]]])[0]


def _request(row: Mapping[str, str], now_ms: int, places: Places, replay: Replay) -> Request:
    """Place, occasion and time of a proposal, and the person as the log has it."""
    stated = {name: (_number(row, name), now_ms) for name in QUANTITIES if row.get(name)}
    clock = datetime.fromtimestamp(now_ms / 1000, places.timezone)
    occasion = cast("Occasion", row.get("occasion") or "entered")
    dwell_s = _number(row, "dwell_s") if row.get("dwell_s") else 0.0
    zone = row["zone"]
    return Request(
        *replay.person,
        zone,
        zone in places.transit,
        ZoneContext(readings=stated),
        occasion,
        dwell_s,
        now_ms,
        clock,
        places.hours.get(zone),
        places.holidays,
    )


def _number(row: Mapping[str, Any], name: str) -> float:
    try:
        return float(row[name])
    except ValueError:
        raise HistoryError(f"proposal {row['decision']}: {name} is {row[name]!r}, not a number") from None
