"""Exported history of gateways, and the match of its pseudonyms with simulated people.

A pseudonym is valid within one export only, and so are its decision codes. With the ground truth they can be matched
nevertheless: a proposed offer reached the person's phone a moment later, and a subject without offers is matched with the
person of most common time in the same zones (greedily, each person once per export). No reader of an export can do this without
the ground truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import duckdb

COLUMNS = {
    "subject": "text",
    "at_ms": "bigint",
    "what": "text",
    "zone": "text",
    "offer": "text",
    "decision": "text",
    "dwell_s": "double",
    "propensity": "double",
}
ON_THE_WAY_MS_MAX = 2000  # between a decision and its delivery to the phone
MATCHED_BY_VISITS_MIN = 0.5  # share of a subject's visit time in common with the person; below it there is no match


class HistoryError(ValueError):
    """The history cannot be read; the text gives the reason."""


class Matching(NamedTuple):
    """Person by (export, subject), and the numbers of subjects matched by offers, by visits, and not at all."""

    people: dict[tuple[int, str], str]
    by_offers: int
    by_visits: int
    unmatched: int


def load(base: duckdb.DuckDBPyConnection, folders: Sequence[Path]) -> None:
    """Create the table `interactions` from all exports, numbered in the column `export`.

    Raises HistoryError if a folder has no interactions file, or one that cannot be read.
    """
    import duckdb  # noqa: PLC0415 (see `people/truth.py`)

    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    base.execute(f"create table interactions (export integer, {columns})")
    for number, folder in enumerate(folders):
        try:
            base.execute(f"insert into interactions select {number}, {_picked(base, folder)}", [str(_file(folder))])
        except duckdb.Error as error:
            raise HistoryError(f"{_file(folder)} cannot be read: {str(error).splitlines()[0]}") from error


def _file(folder: Path) -> Path:
    for name in ("interactions.csv", "interactions.parquet"):
        if (folder / name).is_file():
            return folder / name
    advice = f"create one with: wayside history export --format csv --out {folder}"
    raise HistoryError(f"no interactions.csv or interactions.parquet in {folder}; {advice}")


def _picked(base: duckdb.DuckDBPyConnection, folder: Path) -> str:
    """SQL for the known columns of the file, cast to COLUMNS; missing ones are null."""
    file = _file(folder)
    opened = base.read_csv(str(file), all_varchar=True, header=True) if file.suffix == ".csv" else base.read_parquet(str(file))
    there = set(opened.columns)
    absent = [name for name in ("subject", "at_ms", "what") if name not in there]
    if absent:
        raise HistoryError(f"{file} has no column {absent[0]!r}")
    picked = (
        f"nullif({name}::varchar, '')::{kind} as {name}" if name in there else f"null::{kind} as {name}" for name, kind in COLUMNS.items()
    )
    reader = "read_csv(?, all_varchar=true, header=true)" if file.suffix == ".csv" else "read_parquet(?)"
    return f"{', '.join(picked)} from {reader}"


def match(base: duckdb.DuckDBPyConnection) -> Matching:
    """Find the person behind every subject and create the table `matched`. Needs the tables of the truth."""
    subjects = base.execute("select distinct export, subject from interactions order by all").fetchall()
    people: dict[tuple[int, str], str] = {}
    taken: set[tuple[int, str]] = set()
    by_offers = 0
    for export, subject, person, votes, share in _candidates(base):
        if (export, subject) in people or (export, person) in taken or not (votes or share >= MATCHED_BY_VISITS_MIN):
            continue
        people[export, subject] = person
        taken.add((export, person))
        by_offers += votes > 0
    base.execute("create table matched (export integer, subject text, person text)")
    rows: list[list[Any]] = [[export, subject, person] for (export, subject), person in sorted(people.items())]
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        base.execute("insert into matched select unnest(?::integer[]), unnest(?::text[]), unnest(?::text[])", columns)
    return Matching(people, by_offers, len(people) - by_offers, len(subjects) - len(people))


def _candidates(base: duckdb.DuckDBPyConnection) -> list[tuple[int, str, str, int, float]]:
    """Possible matches, the likeliest first: export, subject, person, common offers, share of the visit time in common."""
    return base.execute(
        """
        with seen as (
            select export, subject, zone, at_ms, at_ms + (1000 * coalesce(dwell_s, 0))::bigint as until_ms
            from interactions where what = 'visit'
        ), times as (
            select export, subject, sum(until_ms - at_ms) as all_ms from seen group by all
        ), together as (
            select s.export, s.subject, v.person, sum(least(s.until_ms, v.until_ms) - greatest(s.at_ms, v.from_ms)) as both_ms
            from seen s join visits v on s.zone = v.zone and s.at_ms < v.until_ms and v.from_ms < s.until_ms
            join people p on p.person = v.person and p.consents
            where v.what = 'stay' group by all
        ), offered as (
            select h.export, h.subject, o.person, count(distinct o.decision) as votes
            from interactions h join offers o
              on h.decision = o.decision or (h.offer = o.offer and o.at_ms - h.at_ms between -$late and $late)
            where h.what = 'proposed' group by all
        )
        select export, subject, person, coalesce(votes, 0), coalesce(both_ms / nullif(all_ms, 0), 0) as share
        from together full join offered using (export, subject, person) left join times using (export, subject)
        order by coalesce(votes, 0) desc, both_ms desc nulls last, 1, 2, 3
        """,
        {"late": ON_THE_WAY_MS_MAX},
    ).fetchall()
