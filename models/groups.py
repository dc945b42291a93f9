"""The file of group definitions that the mining commands write and `bundle make --groups` signs (`gateway.core.attributes.groups`).

Each command replaces the definitions of its own names and leaves the others unchanged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray

from gateway.adapters.toml_files import TomlFileError, load_schema
from gateway.core import limits
from gateway.core.attributes.group_checks import groups_bytes, parse_groups
from gateway.core.attributes.groups import (
    GROUPS_FORMAT,
    Association,
    Basket,
    Cohort,
    Definition,
    Groups,
    Neighbours,
    Ranked,
    Segmentation,
    ValueTable,
    group_named,
)
from gateway.core.attributes.schema import FoldName, Schema
from models.errors import ModelsError

Floats = NDArray[np.float64]

QUANTILE_STEPS = 20
NO_POLICIES: Mapping[str, object] = {}
_PARTS: dict[type[Definition], str] = {
    Segmentation: "segmentations",
    ValueTable: "tables",
    Association: "associations",
    Cohort: "cohorts",
    Basket: "baskets",
    Neighbours: "neighbours",
}

GroupsFile = Annotated[
    Path | None,
    typer.Option("--groups", help="JSON file of group definitions to write into; other definitions in it stay.", dir_okay=False),
]
SchemaFile = Annotated[
    Path | None, typer.Option("--schema", help="Schema (TOML) with the attributes that the definitions read.", exists=True, dir_okay=False)
]


class GroupError(ModelsError):
    """A group cannot be defined; the message names the reason and the remedy."""


def read_schema_file(path: Path | None) -> Schema:
    """The schema at `path`. Raises GroupError without one, or if it is faulty."""
    if path is None:
        raise GroupError("--groups needs --schema, the schema whose attributes the definitions read")
    try:
        return load_schema(path)
    except TomlFileError as error:
        raise GroupError(str(error)) from error


def read_groups(path: Path) -> Groups:
    """The definitions at `path`, none if there is no file. Raises GroupError for a faulty one."""
    if not path.exists():
        return Groups(GROUPS_FORMAT)
    try:
        return parse_groups(path.read_bytes())
    except ValueError as error:
        raise GroupError(f"{path}: {error}") from error


def save_groups(path: Path, definitions: Iterable[Definition], policies: Mapping[str, object] = NO_POLICIES) -> None:
    """Write definitions and policies (`sure_thing`, `variety`, `velocity`) into the file at `path`. Raises GroupError, OSError."""
    groups = read_groups(path)
    for one in definitions:
        name = _PARTS[type(one)]
        others = [other for other in getattr(groups, name) if other.name != one.name]
        groups = msgspec.structs.replace(groups, **{name: (*others, one)})
    content = groups_bytes(msgspec.structs.replace(groups, **policies))
    try:
        parse_groups(content)
    except ValueError as error:
        raise GroupError(f"the definitions would be refused: {error}") from error
    path.write_bytes(content)


def purchase_attribute(schema: Schema, folds: Sequence[FoldName], category: str | None = None) -> str:
    """The first attribute that folds all purchases of a person (or those of one category) by one of `folds`.

    Raises GroupError that states the attribute to add.
    """
    filters = () if category is None else (category,)
    for one in schema.attributes:
        of = one.history
        if of is not None and of.of == "purchases" and of.fold in folds and of.categories == filters and not (of.zone_kinds or of.offers):
            return one.name
    stated = f', categories = ["{category}"]' if category else ""
    raise GroupError(f'the schema needs an attribute with history = {{ of = "purchases", fold = "{folds[0]}"{stated} }}')


def category_attributes(schema: Schema) -> dict[str, str]:
    """Offer category -> the attribute that counts, sums or shares a person's purchases of it; categories without one are left out."""
    found: dict[str, str] = {}
    for category in schema.categories:
        try:
            found[category] = purchase_attribute(schema, ("count", "sum", "share"), category)
        except GroupError:
            continue
    return found


def wanted_groups(schema: Schema) -> set[str]:
    """The names of the definitions that attributes of the schema read."""
    return {name for one in schema.attributes if (name := group_named(one)) is not None}


def associations(schema: Schema, wanted: Collection[str]) -> list[Association]:
    """Strength and intensity of a person's association with categories, if wanted. Raises GroupError below two categories."""
    kinds = tuple(category_attributes(schema).values())
    measures: tuple[Literal["strength", "intensity"], ...] = ("strength", "intensity")
    found = [measure for measure in measures if measure in wanted]
    if found and len(kinds) < 2:
        raise GroupError("strength and intensity of an association need attributes for the purchases of two categories")
    return [Association(measure, measure, kinds) for measure in found]


def ranked(name: str, values: Floats) -> Ranked:
    """The quantiles of known values (n,) at equal steps. Raises GroupError if fewer than GROUP_SUBJECTS_MIN are known."""
    known = values[~np.isnan(values)]
    if len(known) < limits.GROUP_SUBJECTS_MIN:
        raise GroupError(f"{name!r} is known of {len(known)} people: at least {limits.GROUP_SUBJECTS_MIN} are needed")
    return Ranked(name, tuple(float(value) for value in np.quantile(known, np.linspace(0, 1, QUANTILE_STEPS + 1))))


def rows_of(values: pd.DataFrame) -> list[dict[str, float | None]]:
    """One mapping a subject: attribute -> value, None where unknown."""
    names = list(values.columns)
    return [
        {name: None if np.isnan(value) else float(value) for name, value in zip(names, row, strict=True)}
        for row in values.to_numpy(dtype=np.float64)
    ]
