"""`wayside-models items` and `sure-thing`: filtering by items and by customers, and the sure thing, also as definitions for gateways."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from gateway.core.attributes.groups import Association, Basket, Neighbours
from gateway.core.attributes.schema import Schema
from models.groups import (
    GroupError,
    GroupsFile,
    SchemaFile,
    associations,
    category_attributes,
    read_groups,
    read_schema_file,
    save_groups,
    wanted_groups,
)
from models.history.fact_log import FactLog, log_of
from models.history.mapping import HistoryError
from models.history.options import AsJson, BasketsFile, Folder, HistorySource, MappingFile, MapText, open_source, show_row_counts
from models.history.person_values import category_purchases, past_and_later
from models.history.reading import History, RowCounts
from models.propensity.items import BASKET, Hits, define_basket, hit_rate
from models.propensity.loading import load_history
from models.propensity.similar import NAME, SimilarFigures, define_neighbours, held_out
from models.propensity.sure_thing import define_sure_thing
from models.screen import interval_text, print_json, say, show, working

Seed = Annotated[int, typer.Option(help="Random seed, for reproducible results.")]

PAST = 0.7  # of the time of each person: after it the customers are grouped, later purchases are those of the groups
_LINES = "SELECT subject, item, at_ms FROM baskets"


class ItemsReport(msgspec.Struct, frozen=True):
    """Result of `items`: rows of the table, number of items, hit rates over all items and over new ones; `similar` with --groups."""

    tables: tuple[RowCounts, ...]
    items: int
    anything: Hits
    new_only: Hits
    similar: SimilarFigures | None = None


def items(
    folder: Folder = None,
    baskets: BasketsFile = None,
    map_text: MapText = "",
    mapping: MappingFile = None,
    groups: GroupsFile = None,
    schema: SchemaFile = None,
    *,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Compare item-based collaborative filtering with popularity, by later purchases. Exit code 1 (HistoryError) without baskets.

    With --groups, similarities of the schema's categories and groups of similar customers are written for gateways, each if an attribute
    with between = { field = "group" } names it (together, similar). Groups of customers that are no better than all customers together, on
    held-out people, are not written.
    """
    declared = read_schema_file(schema) if groups is not None else None
    with open_source(HistorySource(folder=folder, baskets=baskets, map_text=map_text, mapping=mapping), optional=("basket",)) as history:
        if not history.row_counts_of("baskets").used:
            raise HistoryError("the history holds no basket line: items cannot be compared")
        lines, counted = history.sql(_LINES).df(), history.row_counts
        similar = _define(groups, history, declared, seed, log_of(folder)) if groups is not None and declared is not None else None
    subjects, things = (np.unique(lines[name].to_numpy(dtype=str), return_inverse=True)[1].astype(np.int64) for name in ("subject", "item"))
    times = lines["at_ms"].to_numpy(dtype=np.int64)
    anything, new_only = (hit_rate(subjects, things, times, seed=seed, new_only=new) for new in (False, True))
    report = ItemsReport(counted, int(things.max()) + 1, anything, new_only, similar)
    if as_json:
        print_json(report)
        return
    show_row_counts(counted)
    header = ("taken later", "subjects", "by items", "by popularity", "difference")
    rows = [
        (later, hits.subjects, interval_text(hits.by_items, 3), interval_text(hits.by_popularity, 3), interval_text(hits.difference, 3))
        for later, hits in (("any item", anything), ("new items only", new_only))
    ]
    show("Share of subjects who later took one of the first ten", header, rows)
    if similar is not None:
        say(
            f"similar customers: log-loss {interval_text(similar.by_similar, 4)}, all customers {interval_text(similar.by_all, 4)}, "
            f"difference {interval_text(similar.difference, 4)}, on {similar.subjects:,} held-out subjects"
        )


def sure_thing(
    history: Annotated[Path, typer.Option("--history", help="Folder written by `wayside history export`.", exists=True, file_okay=False)],
    columns: Annotated[str, typer.Option(help="Columns of the model, comma-separated: a person above one half by each needs no discount.")],
    groups: Annotated[Path, typer.Option("--groups", help="JSON file of group definitions to write into.", dir_okay=False)],
    *,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Probability to buy by each of some columns alone, so that gateways withhold discounts from people likely to buy anyway."""
    loaded = load_history(history, seed)
    named = tuple(name.strip() for name in columns.split(",") if name.strip())
    critical = define_sure_thing(loaded.data.rows, loaded.data.taken, loaded.inputs.columns, named)
    save_groups(groups, (), {"sure_thing": critical})
    if as_json:
        print_json({"sure_thing": critical})
        return
    rows = [(of.column, min(of.chances), max(of.chances), len(of.chances)) for of in critical]
    show(f"{groups}: probability to buy by each column alone", ("column", "lowest", "highest", "bins"), rows)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(epilog="Example: [b]wayside-models items --baskets baskets.parquet[/b]")(items)
    example = "wayside-models sure-thing --history export --columns value,habit --groups groups.json"
    app.command("sure-thing", epilog=f"Example: [b]{example}[/b]")(sure_thing)


def _define(path: Path, history: History, schema: Schema, seed: int, log: FactLog | None) -> SimilarFigures | None:
    """Write the definitions that attributes of the schema name; the figures of similar customers, if defined."""
    wanted, counts = wanted_groups(schema), category_attributes(schema)
    if not wanted & {BASKET, NAME} or len(counts) < 2:
        raise GroupError(
            f'the schema needs attributes of the purchases of two categories, and one with between = {{ field = "group", group = ... }} '
            f"for {BASKET} or {NAME}"
        )
    read_groups(path)
    bought = category_purchases(history, schema)
    if bought.empty:
        raise GroupError("no purchase is of a category of the schema: map the items of the baskets to categories first")
    found: list[Basket | Neighbours | Association] = [*associations(schema, wanted)]
    figures: SimilarFigures | None = None
    with working("finding similar items and customers"):
        if BASKET in wanted:
            subjects = np.unique(bought["subject"].to_numpy(dtype=str), return_inverse=True)[1].astype(np.int64)
            places = np.array([schema.categories.index(name) for name in bought["category"]], dtype=np.int64)
            found.append(define_basket(subjects, places, schema.categories, counts))
        if NAME in wanted:
            values, later = past_and_later(history, schema, tuple(counts.values()), PAST, log)
            figures = held_out(values, later, schema.categories, seed)
            if figures.difference.low > 0:
                found.append(define_neighbours(values, later, schema.categories, seed))
    save_groups(path, found)
    return figures
