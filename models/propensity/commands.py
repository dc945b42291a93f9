"""`wayside-models speed`, `items`, `priors` and `waves`: what the stream models cost, find, lend, and when to act on them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import pandas as pd
import typer

from models.errors import ModelsError
from models.history.mapping import HistoryError
from models.history.options import AsJson, BasketsFile, Folder, HistorySource, MappingFile, MapText, open_source, show_row_counts
from models.history.reading import RowCounts
from models.propensity.estimators import NAMES, estimators
from models.propensity.items import Hits, hit_rate
from models.propensity.loading import load_coupons, load_priors
from models.propensity.speed import measure, synthetic_training_set
from models.propensity.waves import HOLDOUT, WAVES, plan_waves
from models.screen import interval_text, print_json, say, show, working
from models.tables.reading import read_texts
from models.training import candidates

Estimators = Annotated[str, typer.Option("--estimators", help=f"Which compete, separated by commas: {', '.join(NAMES)}.")]
Seed = Annotated[int, typer.Option(help="Same seed, same figures.")]
ALL = ",".join(NAMES)

_LINES = "SELECT subject, item, at_ms FROM baskets"


class ItemsReport(msgspec.Struct, frozen=True):
    """What `items` found: rows of the table, and hit rates for anything and for new things."""

    tables: tuple[RowCounts, ...]
    items: int
    anything: Hits
    new_only: Hits


class PriorsReport(msgspec.Struct, frozen=True):
    """What `priors` wrote: by offer how often it was taken and refused, and how many predictors are heard."""

    out: str
    bytes: int
    offers: dict[str, tuple[float, float, int]]


class WavesReport(msgspec.Struct, frozen=True):
    """What `waves` wrote: subjects and those left alone, by wave."""

    out: str
    subjects: tuple[int, ...]
    holdout: tuple[int, ...]


def named(text: str) -> tuple[str, ...]:
    """The estimators of a comma-separated option; the error names those there are."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    return tuple(estimator.name for estimator in estimators(names))


def speed(
    table: Annotated[Path | None, typer.Option(help="Coupon table to learn from, not made-up rows.", exists=True, dir_okay=False)] = None,
    *,
    which: Estimators = ALL,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Time one row and 64 for each estimator as ONNX on one thread, with its size and its largest difference to the native model."""
    compete = candidates(named(which), seed=seed)
    with working("fitting and asking every estimator"):
        found = measure(load_coupons(table, seed).data if table else synthetic_training_set(seed), compete, seed)
    if as_json:
        print_json(found)
        return
    header = ("estimator", "1 row, µs", "64 rows, µs", "bytes", "largest difference", "on rows")
    rows = [(of.estimator, of.batch_1_us, of.batch_64_us, of.bytes, f"{of.parity_worst:.1g}", of.parity_rows) for of in found]
    show("Each estimator as ONNX, one thread", header, rows)


def items(
    folder: Folder = None,
    baskets: BasketsFile = None,
    map_text: MapText = "",
    mapping: MappingFile = None,
    *,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Whether item-item filtering finds what people take later better than popularity does, split by subject and by time."""
    with open_source(HistorySource(folder=folder, baskets=baskets, map_text=map_text, mapping=mapping), optional=("basket",)) as history:
        if not history.row_counts_of("baskets").used:
            raise HistoryError("the history holds no basket line: items cannot be compared")
        lines, counted = history.sql(_LINES).df(), history.row_counts
    subjects, things = (np.unique(lines[name].to_numpy(dtype=str), return_inverse=True)[1].astype(np.int64) for name in ("subject", "item"))
    times = lines["at_ms"].to_numpy(dtype=np.int64)
    anything, new_only = (hit_rate(subjects, things, times, seed=seed, new_only=new) for new in (False, True))
    report = ItemsReport(counted, int(things.max()) + 1, anything, new_only)
    if as_json:
        print_json(report)
        return
    show_row_counts(counted)
    header = ("later taken", "subjects", "by items", "by popularity", "difference")
    rows = [
        (what, hits.subjects, interval_text(hits.by_items, 3), interval_text(hits.by_popularity, 3), interval_text(hits.difference, 3))
        for what, hits in (("anything", anything), ("never had before", new_only))
    ]
    show("Share of subjects who later took one of the first ten", header, rows)


def priors(
    history: Annotated[Path, typer.Option("--history", help="Folder of a gateway's history.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="JSON file to write.", dir_okay=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Write a start for the model that learns in real time: bin edges and counts for every offer, and nobody's rows."""
    models = load_priors(history)
    content = msgspec.json.encode(models)
    out.write_bytes(content)
    report = PriorsReport(str(out), len(content), {of.offer: (of.taken, of.refused, len(of.heard())) for of in models})
    if as_json:
        print_json(report)
        return
    show(f"{out}: {len(content):,} bytes", ("offer", "taken", "refused", "predictors heard"), [(o, *of) for o, of in report.offers.items()])


def waves(
    scores: Annotated[Path, typer.Option(help="CSV with subject and propensity.", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="CSV to write: subject, wave, starts_ms, holdout.", dir_okay=False)],
    salt: Annotated[str, typer.Option(help="Another salt leaves other people alone.")],
    first: Annotated[datetime, typer.Option(formats=["%Y-%m-%dT%H:%M"], help="When the first wave starts, UTC, YYYY-MM-DDTHH:MM.")],
    gap_min: Annotated[int, typer.Option(min=0, help="Minutes from wave to wave.")] = 60,
    *,
    count: Annotated[int, typer.Option("--waves", min=1, help="How many.")] = WAVES,
    holdout: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of every wave that is left alone.")] = HOLDOUT,
    as_json: AsJson = False,
) -> None:
    """Plan whom to approach when: the likeliest tenth first, in each tenth an exact share that is left alone."""
    subjects, likely = _scores(scores)
    first_ms = int(first.replace(tzinfo=UTC).timestamp()) * 1_000
    plan = plan_waves(subjects, likely, first_ms=first_ms, gap_ms=gap_min * 60_000, salt=salt, waves=count, holdout=holdout)
    columns = {"subject": subjects, "wave": plan.wave, "starts_ms": plan.starts_ms, "holdout": plan.holdout.astype(int)}
    pd.DataFrame(columns).to_csv(out, index=False)
    sizes, left = np.bincount(plan.wave, minlength=count), np.bincount(plan.wave, plan.holdout, minlength=count)
    report = WavesReport(str(out), tuple(map(int, sizes)), tuple(map(int, left)))
    if as_json:
        print_json(report)
        return
    show(str(out), ("wave", "subjects", "left alone"), list(zip(range(count), report.subjects, report.holdout, strict=True)))
    say(f"{sum(report.subjects):,} subjects, {sum(report.holdout):,} of them left alone")


def register(app: typer.Typer) -> None:
    """Add this room's commands."""
    app.command(epilog="Example: [b]wayside-models speed --estimators boosting,logistic[/b]")(speed)
    app.command(epilog="Example: [b]wayside-models items --baskets baskets.parquet[/b]")(items)
    app.command(epilog="Example: [b]wayside-models priors --history export --out priors.json[/b]")(priors)
    app.command(epilog="Example: [b]wayside-models waves --scores scores.csv --out waves.csv --salt spring --first 2026-11-02T09:00[/b]")(
        waves
    )


def _scores(path: Path) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    table = read_texts(path, ("subject", "propensity"))
    likely = pd.to_numeric(table["propensity"], errors="coerce")
    if faulty := int((table["subject"].isna() | ~likely.between(0, 1)).sum()):
        raise ModelsError(f"{path}: {faulty} of {len(table)} rows have no subject or no propensity from 0 to 1; leave them out")
    return table["subject"].tolist(), likely.to_numpy(dtype=np.float64)
