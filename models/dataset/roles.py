"""The columns of a table that are no features: the outcome, the group of a row and its time."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from gateway.core.nearest import nearest
from models.arrays import Ints
from models.dataset import values
from models.dataset.profile import PARSED_SHARE
from models.dataset.source import Source
from models.dataset.values import FLAGS
from models.history.files import literal
from models.tables.reading import TableError

VALUES_SHOWN = 12
_VALUES_READ = 1_000


class Roles(NamedTuple):
    """Names of the outcome's column and of its positive text ("" where one of the two is yes, true or 1), group columns, time column.

    With `ordered`, the rows of the file are in the order of time, and there is no time column.
    """

    target: str
    positive: str = ""
    groups: tuple[str, ...] = ()
    time: str = ""
    ordered: bool = False


class Labels(NamedTuple):
    """By row used, (n,): outcome 0/1, group number from 0, time in ms or in rows, or None. `positive` is the text with outcome 1.

    `kept` is the SQL condition of the rows used, on the columns of the numbers `columns`; `refused` counts the others by reason.
    """

    taken: Ints
    groups: Ints
    times: Ints | None
    positive: str
    kept: str
    columns: tuple[int, ...]
    refused: dict[str, int]


def read_labels(source: Source, roles: Roles) -> Labels:
    """Outcomes, groups and times. Raises TableError if a column is missing, the outcome has not two values, or times are no dates."""
    columns = tuple(source.column(name) for name in (roles.target, *roles.groups, roles.time) if name)
    text = f"c{columns[0]}"
    positive = _outcome(source, columns[0], roles)
    conditions = {f"unknown_{roles.target}": f"{text} IS NOT NULL"}
    if len(roles.groups) == 1:
        conditions[f"unknown_{roles.groups[0]}"] = f"c{source.column(roles.groups[0])} IS NOT NULL"
    units = f"concat_ws('\x1f', {', '.join(_stated(source, name) for name in roles.groups)})" if roles.groups else "rowid"
    moments = "rowid" if roles.ordered else "NULL"
    if roles.time:
        moments = _times(source, roles.time)
        conditions[f"unknown_{roles.time}"] = f"{moments} IS NOT NULL"
    kept = " AND ".join(conditions.values())
    chosen = f"{text} = {literal(positive)} AS y, {units} AS g, {moments} AS t"
    query = f"SELECT {chosen} FROM {source.of(columns)} WHERE {kept}"  # noqa: S608 - literals are quoted
    fetched = source.connection.execute(query).fetchnumpy()
    return Labels(
        taken=np.asarray(fetched["y"], dtype=np.int64),
        groups=np.unique(np.asarray(fetched["g"], dtype=str if roles.groups else np.int64), return_inverse=True)[1].astype(np.int64),
        times=np.asarray(fetched["t"], dtype=np.int64) if roles.time or roles.ordered else None,
        positive=positive,
        kept=kept,
        columns=columns,
        refused=_refused(source, columns, conditions),
    )


def _stated(source: Source, name: str) -> str:
    return f"coalesce(c{source.column(name)}, '')"


def _refused(source: Source, columns: tuple[int, ...], conditions: dict[str, str]) -> dict[str, int]:
    """Rows refused by the first condition that does not hold."""
    before = "true"
    refused: dict[str, int] = {}
    for reason, condition in conditions.items():
        if rows := source.rows_where(columns, f"{before} AND NOT ({condition})"):
            refused[reason] = rows
        before = f"{before} AND {condition}"
    if source.malformed:
        refused["malformed"] = source.malformed
    return refused


def _outcome(source: Source, at: int, roles: Roles) -> str:
    """The text with outcome 1."""
    stated = f"FROM {source.of((at,))} WHERE c{at} IS NOT NULL"
    query = f"SELECT c{at}, count(*) AS n {stated} GROUP BY 1 ORDER BY n DESC, 1 LIMIT {_VALUES_READ}"
    counted = {str(value): int(rows) for value, rows in source.sql(query)}
    name, known = roles.target, list(counted)
    shown = ", ".join(f"{value} ({rows:,})" for value, rows in list(counted.items())[:VALUES_SHOWN])
    more = f" and {len(known) - VALUES_SHOWN:,} more" if len(known) > VALUES_SHOWN else ""
    if not known:
        raise TableError(f"{source.path}: the outcome {name!r} is unknown in every row")
    if len(known) == 1:
        raise TableError(f"{source.path}: the outcome {name!r} is {shown} in every row: a model needs rows of either outcome")
    if roles.positive:
        if roles.positive not in counted:
            raise TableError(f"{source.path}: no row has {roles.positive!r} in {name!r}{nearest(roles.positive, known)}")
        return roles.positive
    yes = [value for value in known if FLAGS.get(value.lower()) == 1.0]
    no = [value for value in known if FLAGS.get(value.lower()) == 0.0]
    if len(known) != 2 or len(yes) != 1 or len(no) != 1:
        raise TableError(
            f"{source.path}: the outcome {name!r} has the values {shown}{more}: add --positive VALUE for the one to forecast; "
            "every other value then counts as 0"
        )
    return yes[0]


def _times(source: Source, name: str) -> str:
    """SQL of a row's time: a number as it is, or milliseconds since 1970."""
    at = source.column(name)
    text, count = f"c{at}", partial(source.rows_where, (at,))
    known = count(f"{text} IS NOT NULL")
    number = values.finite(values.number(text, comma_is_decimal=source.comma_is_decimal))
    if count(f"{number} IS NOT NULL") >= PARSED_SHARE * known:
        return f"TRY_CAST(round({number}) AS BIGINT)"
    order = values.day_order(count, text)
    if order is None:
        raise TableError(f"{source.path}: in {name!r} day and month cannot be told apart; write dates as YYYY-MM-DD")
    moment = values.moment(text, order)
    dates = count(f"{moment} IS NOT NULL")
    if dates < PARSED_SHARE * known:
        raise TableError(
            f"{source.path}: {dates:,} of {known:,} values of {name!r} are dates or numbers; write dates as YYYY-MM-DD, or leave out --time"
        )
    return f"epoch_ms({moment})"
