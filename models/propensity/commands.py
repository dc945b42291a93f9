"""`wayside-models speed`, `priors` and `waves`; `items` and `sure-thing` are in `group_commands`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import pandas as pd
import typer

from models.errors import ModelsError
from models.history.options import AsJson
from models.propensity import group_commands
from models.propensity.estimators import NAMES, estimators
from models.propensity.loading import load_priors
from models.propensity.speed import measure, synthetic_training_set
from models.propensity.waves import HOLDOUT, WAVES, plan_waves
from models.screen import print_json, say, show, working
from models.tables.coupon import INPUTS
from models.tables.reading import read_texts
from models.training import feature_estimators

Estimators = Annotated[str, typer.Option("--estimators", help=f"Estimators to compare, comma-separated: {', '.join(NAMES)}.")]
Seed = Annotated[int, typer.Option(help="Random seed, for reproducible results.")]
ALL = ",".join(NAMES)


class PriorsReport(msgspec.Struct, frozen=True):
    """Result of `priors`: the file and its size; by offer, answers taken and refused, and the number of active predictors."""

    out: str
    bytes: int
    offers: dict[str, tuple[float, float, int]]


class WavesReport(msgspec.Struct, frozen=True):
    """Result of `waves`: the file; subjects and held-out subjects by wave."""

    out: str
    subjects: tuple[int, ...]
    holdout: tuple[int, ...]


def named(text: str) -> tuple[str, ...]:
    """The names in a comma-separated option. Raises TrainingError for an unknown one."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    return tuple(estimator.name for estimator in estimators(names))


def speed(
    *,
    which: Estimators = ALL,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Measure each estimator as ONNX on one thread: time of 1 and 64 rows, size, largest difference to the native model.

    Fitted to random rows of the demonstration street; `train` prints the same figures of a model of a table.
    """
    compete = feature_estimators(INPUTS, named(which), seed=seed)
    with working("fitting and timing every estimator"):
        found = measure(synthetic_training_set(seed), compete, seed)
    if as_json:
        print_json(found)
        return
    header = ("estimator", "1 row, µs", "64 rows, µs", "bytes", "largest difference", "on rows")
    rows = [(of.estimator, of.batch_1_us, of.batch_64_us, of.bytes, f"{of.parity_worst:.1g}", of.parity_rows) for of in found]
    show("Each estimator as ONNX, one thread", header, rows)


def priors(
    history: Annotated[Path, typer.Option("--history", help="Folder written by `wayside history export`.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="JSON file to write.", dir_okay=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Write priors for naive Bayes on the gateway: bin edges and counts for each offer, without any row of the history."""
    models = load_priors(history)
    content = msgspec.json.encode(models)
    out.write_bytes(content)
    report = PriorsReport(str(out), len(content), {of.offer: (of.taken, of.refused, len(of.active())) for of in models})
    if as_json:
        print_json(report)
        return
    show(
        f"{out}: {len(content):,} bytes", ("offer", "taken", "refused", "active predictors"), [(o, *of) for o, of in report.offers.items()]
    )


def waves(
    scores: Annotated[Path, typer.Option(help="CSV with subject and propensity.", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="CSV to write: subject, wave, starts_ms, holdout.", dir_okay=False)],
    salt: Annotated[str, typer.Option(help="Text that seeds the choice of the control group; change it for each campaign.")],
    first: Annotated[datetime, typer.Option(formats=["%Y-%m-%dT%H:%M"], help="Start of the first wave, UTC, YYYY-MM-DDTHH:MM.")],
    gap_min: Annotated[int, typer.Option(min=0, help="Minutes between the starts of two waves.")] = 60,
    *,
    count: Annotated[int, typer.Option("--waves", min=1, help="Number of waves.")] = WAVES,
    holdout: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of each wave in the control group.")] = HOLDOUT,
    as_json: AsJson = False,
) -> None:
    """Plan the waves of a campaign: subjects by decreasing propensity, with a control group (holdout) of exact size in each wave."""
    subjects, likely = _scores(scores)
    first_ms = int(first.replace(tzinfo=UTC).timestamp()) * 1_000
    plan = plan_waves(subjects, likely, first_ms=first_ms, gap_ms=gap_min * 60_000, salt=salt, waves=count, holdout=holdout)
    columns = {"subject": subjects, "wave": plan.wave, "starts_ms": plan.starts_ms, "holdout": plan.holdout.astype(int)}
    pd.DataFrame(columns).to_csv(out, index=False)
    sizes, held_out = np.bincount(plan.wave, minlength=count), np.bincount(plan.wave, plan.holdout, minlength=count)
    report = WavesReport(str(out), tuple(map(int, sizes)), tuple(map(int, held_out)))
    if as_json:
        print_json(report)
        return
    show(str(out), ("wave", "subjects", "held out"), list(zip(range(count), report.subjects, report.holdout, strict=True)))
    say(f"{sum(report.subjects):,} subjects, {sum(report.holdout):,} of them held out")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(epilog="Example: [b]wayside-models speed --estimators boosting,logistic[/b]")(speed)
    group_commands.register(app)
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
