"""The values of attributes in a staged table, as the float32 columns of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gateway.core.attributes.schema import Attribute, Schema
from models.arrays import Floats, Rows
from models.dataset import values
from models.dataset.columns import ReadFrom
from models.dataset.names import plain_name
from models.dataset.roles import Labels
from models.dataset.source import Source

BATCH = 40  # attributes a query


class Matrix(NamedTuple):
    """The names of the float columns; rows float32 (n, columns), NaN where unknown; by table column, the texts that fit no value."""

    columns: tuple[str, ...]
    rows: Rows
    unreadable: Mapping[str, int]


def read_matrix(
    source: Source, schema: Schema, read: Mapping[str, Sequence[ReadFrom]], labels: Labels, step: Callable[[str], None]
) -> Matrix:
    """The attributes in `read`, and those by category that follow from these, in the schema's order, for the rows with a label.

    `step` is called once a batch of attributes.
    """
    attributes = [one for one in schema.attributes if one.name in read]
    numbers: dict[str, Floats] = {}
    unreadable: dict[str, int] = {}
    for start in range(0, len(attributes), BATCH):
        batch = attributes[start : start + BATCH]
        _read(source, batch, read, labels, numbers, unreadable)
        step(f"read {start + len(batch):,} of {len(attributes):,} attributes")
    numbers |= _by_category(schema, numbers)
    used = [one for one in schema.attributes if one.name in numbers]
    columns = tuple(column for one in used for column in one.columns)
    length = len(next(iter(numbers.values()))) if numbers else 0
    rows = np.empty((length, len(columns)), np.float32)
    at = 0
    for one in used:
        rows[:, at : at + len(one.columns)] = _expanded(one, numbers.pop(one.name))
        at += len(one.columns)
    return Matrix(columns, rows, unreadable)


def steps_of(attributes: int) -> int:
    """Number of calls of `step` by `read_matrix`."""
    return -(-attributes // BATCH)


def _read(
    source: Source,
    batch: Sequence[Attribute],
    read: Mapping[str, Sequence[ReadFrom]],
    labels: Labels,
    numbers: dict[str, Floats],
    unreadable: dict[str, int],
) -> None:
    """Read the attributes of a batch into `numbers`; a category is the number of its value."""
    kept = f"FROM {source.of(sorted({place.at for one in batch for place in read[one.name]} | set(labels.columns)))} WHERE {labels.kept}"
    parts = [_first([_number(source, one, place) for place in read[one.name]]) for one in batch]
    named = ", ".join(f"{part} AS a{at}" for at, part in enumerate(parts))
    fetched = source.connection.execute(f"SELECT {named} {kept}").fetchnumpy()
    (known,) = source.sql(f"SELECT {', '.join(f'count(c{read[one.name][0].at})' for one in batch)} {kept}")
    for at, one in enumerate(batch):
        found = np.ma.filled(np.ma.asarray(fetched[f"a{at}"], dtype=np.float64), np.nan)
        found[np.isinf(found)] = np.nan
        lost = int(known[at]) - int(np.isfinite(found).sum())
        if lost and len(read[one.name]) == 1:  # of several columns, each may leave a value to the others
            unreadable[read[one.name][0].column] = lost
        numbers[one.name] = found if one.dtype != "number" else np.clip(found, one.low, one.high)


def _first(parts: Sequence[str]) -> str:
    """The first known number of several SQL expressions."""
    return f"CAST(coalesce({', '.join(parts)}) AS DOUBLE)" if len(parts) > 1 else f"CAST({parts[0]} AS DOUBLE)"


def _number(source: Source, one: Attribute, place: ReadFrom) -> str:
    text = f"c{place.at}"
    if one.dtype == "category":
        numbers = {value: str(number) for number, value in enumerate(one.values)}
        stated = {written: numbers[str(value)] for written, value in place.values.items()}
        return values.cases(text, stated or _by_plain_name(source, place.at, numbers))
    if place.values:
        return values.cases(text, {written: repr(float(value)) for written, value in place.values.items()})
    if one.dtype == "flag":
        return values.flag(text)
    return values.number(text, comma_is_decimal=source.comma_is_decimal)


def _by_plain_name(source: Source, at: int, numbers: Mapping[str, str]) -> dict[str, str]:
    """The number of the value for each text of a column with a value as its plain name."""
    query = f"SELECT DISTINCT c{at} FROM {source.of((at,))} WHERE c{at} IS NOT NULL"  # noqa: S608 - names are numbers
    texts = [str(text) for (text,) in source.sql(query)]
    return {text: numbers[name] for text in texts if (name := plain_name(text)) in numbers}


def _expanded(one: Attribute, numbers: Floats) -> Floats:
    """One column a value of a category, (n, values), all NaN if it is unknown; else the numbers, (n, 1)."""
    if one.dtype != "category":
        return numbers[:, np.newaxis]
    spread = (numbers[:, np.newaxis] == np.arange(len(one.values))).astype(np.float64)
    spread[np.isnan(numbers)] = np.nan
    expanded: Floats = spread
    return expanded


def _by_category(schema: Schema, numbers: Mapping[str, Floats]) -> dict[str, Floats]:
    """Attributes that are another one for each category of the offer, where the table has the category."""
    category = next((one for one in schema.attributes if one.offer is not None and one.offer.field == "category"), None)
    if category is None or category.name not in numbers:
        return {}
    found: dict[str, Floats] = {}
    for one in schema.attributes:
        named = one.between.by_category if one.between is not None else {}
        if not any(name in numbers for name in named.values()):
            continue
        of = np.full(len(numbers[category.name]), np.nan)
        for at, value in enumerate(category.values):
            if named.get(value) in numbers:
                here = numbers[category.name] == at
                of[here] = numbers[named[value]][here]
        found[one.name] = of
    return found
