"""Inputs of a model: the columns of its rows, by name, and the schema with the attributes behind the columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.attributes.aggregators import Value
from gateway.core.attributes.read import expanded, used_attributes
from gateway.core.attributes.schema import Attribute, Schema

DRAWN_MAX = 100.0  # of a number without bounds


class Inputs(msgspec.Struct, frozen=True, dict=True):
    """`columns` are names of columns of `schema`, in the order of a model's rows."""

    schema: Schema
    columns: tuple[str, ...]

    @cached_property
    def used(self) -> tuple[Attribute, ...]:
        """The attributes behind the columns. Raises ColumnsError for a column that the schema does not have."""
        return used_attributes(self.schema, self.columns)

    @cached_property
    def _place(self) -> dict[str, int]:
        return {column: at for at, column in enumerate(self.columns)}

    def positions(self, attribute: Attribute) -> NDArray[np.intp]:
        """Positions of the columns of an attribute; empty if the model does not read it."""
        return np.array([self._place[column] for column in attribute.columns if column in self._place], dtype=np.intp)

    def coded(self, rows: NDArray[np.float32], attribute: Attribute) -> NDArray[np.float32]:
        """The values of an attribute in rows (n, columns), (n,): a category as the number of its value, those not listed as one more."""
        part = rows[:, self.positions(attribute)]
        if attribute.dtype != "category":
            return part[:, 0]
        number = np.where(part.max(axis=1) > 0.5, part.argmax(axis=1), part.shape[1]).astype(np.float32)
        found: NDArray[np.float32] = np.where(np.isnan(part).any(axis=1), np.float32(np.nan), number)
        return found

    def attributes(self, source: str) -> list[Attribute]:
        """The attributes in use with this source."""
        return [one for one in self.used if getattr(one, source) is not None]

    @property
    def category(self) -> Attribute | None:
        """The attribute that is the offer's category, if the model reads it."""
        return next((one for one in self.attributes("offer") if one.offer is not None and one.offer.field == "category"), None)

    def rows(self, values: Iterable[Mapping[str, Value]]) -> NDArray[np.float32]:
        """Values by attribute name as rows float32 (n, columns); NaN where unknown or absent.

        Attributes by category are taken from the person's values in the same row.
        """
        listed = list(values)
        rows = np.full((len(listed), len(self.columns)), np.nan, dtype=np.float32)
        for row, known in zip(rows, listed, strict=True):
            for one in self.used:
                for column, number in expanded(one, self._value(one, known)):
                    if column in self._place:
                        row[self._place[column]] = number
        return rows

    def _value(self, one: Attribute, known: Mapping[str, Value]) -> Value:
        if one.between is None or one.between.field != "by_category":
            return known.get(one.name)
        category = known.get(self.category.name) if self.category else None
        return known.get(one.between.by_category.get(str(category), ""))

    def drawn(self, seed: int, count: int, unknown: float) -> NDArray[np.float32]:
        """Random rows float32 (count, columns): half with whole numbers, each value about a person or place unknown at times."""
        draws = np.random.default_rng(seed)
        return self.rows([self._drawn(draws, unknown) for _ in range(count)])

    def _drawn(self, draws: np.random.Generator, unknown: float) -> dict[str, Value]:
        whole = draws.random() < 0.5  # common in offers and clocks, and splits lie between round values
        return {one.name: _draw(one, draws, unknown, whole=whole) for one in self.used}


def _draw(one: Attribute, draws: np.random.Generator, unknown: float, *, whole: bool) -> Value:
    if one.about in {"person", "place"} and draws.random() < unknown:
        return None
    if one.dtype == "category":
        return one.values[int(draws.integers(len(one.values)))]
    if one.dtype == "flag":
        return float(draws.integers(2))
    low, high = 0.0 if one.low is None else one.low, DRAWN_MAX if one.high is None else one.high
    number = float(draws.uniform(low, high))
    return float(math.floor(number)) if whole else number
