"""`wayside-models bundle make`: signs a trained model, or an ONNX file that was trained anywhere, with schema and campaign."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.adapters.bundle import (
    MODEL,
    PARITY,
    SCHEMA,
    Draft,
    open_bundle,
    read_groups,
    read_parity,
    read_patterns,
    read_priors,
    read_schema,
    write_bundle,
)
from gateway.adapters.toml_files import TomlFileError, load_campaign, load_schema
from gateway.core.attributes.schema import Schema
from gateway.core.bundle import LoadableModel, ModelEntry
from gateway.core.offers import Campaign
from gateway.runtime.model_check import check_model
from models.bundles import AsJson, MakeError, private_key, show_verified, summary
from models.imported.champion import measure, read_champion
from models.imported.importing import BUDGET_US, check_expected, import_model
from models.imported.table import Table
from models.report import read_report
from models.rule_types import type_faults
from models.screen import say, working
from models.uplift.commands import REPORT as UPLIFT_REPORT
from models.uplift.commands import report_in

DAY_MS = 86_400_000
VALID_DAYS = 365

PANEL = "With an ONNX file"
EXAMPLES = (
    "Examples: [b]wayside-models bundle make --model build/model --campaign campaign.toml --key street.key --out street.bundle[/b] and "
    "[b]wayside-models bundle make --model mine.onnx --schema schema.toml --campaign campaign.toml --key street.key --out street.bundle[/b]"
)
ModelPath = Annotated[Path, typer.Option(help="Folder that `train` wrote, or an ONNX file (then --schema is needed).", exists=True)]
CampaignFile = Annotated[Path, typer.Option(help="Offers and policy, a TOML file.", exists=True, dir_okay=False)]
KeyFile = Annotated[Path, typer.Option(help="Private key, PEM.", exists=True, dir_okay=False)]
BundleFile = Annotated[Path, typer.Option(help="The bundle to write.", dir_okay=False)]
SchemaFile = Annotated[
    Path | None,
    typer.Option(help="Schema, TOML, with an attribute for each input.", exists=True, dir_okay=False, rich_help_panel=PANEL),
]
Columns = Annotated[
    str | None,
    typer.Option(help="Columns of a matrix input, separated by commas. Default: all of the schema.", rich_help_panel=PANEL),
]
Output = Annotated[str | None, typer.Option(help="Output with the probability, if the model has several.", rich_help_panel=PANEL)]
RowsFile = Annotated[
    Path | None,
    typer.Option(
        help="Rows that the model was not trained on, .csv, .parquet or .npz: the range of each attribute, and rows to measure on.",
        exists=True,
        dir_okay=False,
        rich_help_panel=PANEL,
    ),
]
Target = Annotated[
    str | None, typer.Option(help="Column of --rows with the outcome, 0 or 1: print figures on these rows.", rich_help_panel=PANEL)
]
Group = Annotated[
    str | None, typer.Option(help="Column of --rows that names the person: intervals are over persons.", rich_help_panel=PANEL)
]
Champion = Annotated[
    Path | None,
    typer.Option(help="Bundle of the same key, or folder that `train` wrote, to compare with.", exists=True, rich_help_panel=PANEL),
]
Expected = Annotated[
    str | None,
    typer.Option(help="Column of --rows with the probability in the training library, to compare with.", rich_help_panel=PANEL),
]
BudgetUs = Annotated[
    float,
    typer.Option(min=1.0, help="Microseconds of processor time that a call with 64 rows may take.", rich_help_panel=PANEL),
]
Seed = Annotated[int, typer.Option(help="Random seed of the parity rows and intervals.", rich_help_panel=PANEL)]
Name = Annotated[str, typer.Option(help="Name of the bundle; a gateway compares versions of the same name.")]
Version = Annotated[int, typer.Option(min=1, help="Version number; must increase, as a gateway refuses older versions.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day in UTC, YYYY-MM-DD.")]
PatternsFile = Annotated[Path | None, typer.Option(help="Patterns, written by `rules` or `journeys`.", exists=True, dir_okay=False)]
PriorsFile = Annotated[
    Path | None, typer.Option(help="Priors for naive Bayes on the gateway, written by `priors`.", exists=True, dir_okay=False)
]
GroupsFile = Annotated[
    Path | None,
    typer.Option(
        help="Group definitions, written by `value`, `segments`, `journeys`, `items` or `sure-thing`.", exists=True, dir_okay=False
    ),
]


class Trained(NamedTuple):
    """A model with its schema, its figures for the manifest, and its speed on this machine, which would make two equal bundles differ."""

    model: LoadableModel
    schema: Schema
    metrics: Mapping[str, float]
    speed: str


class OnnxFile(NamedTuple):
    """An ONNX file, and the options of its panel."""

    path: Path
    schema: Path | None
    columns: str | None
    output: str | None
    rows: Path | None
    target: str | None
    group: str | None
    champion: Path | None
    expected: str | None

    def stated(self) -> list[str]:
        """The options that were given."""
        return [f"--{name}" for name, value in self._asdict().items() if name != "path" and value is not None]


def register(app: typer.Typer) -> None:
    """Add the command to the application of bundles."""
    app.command(epilog=EXAMPLES)(make)


def make(
    model: ModelPath,
    campaign: CampaignFile,
    key: KeyFile,
    out: BundleFile,
    schema: SchemaFile = None,
    columns: Columns = None,
    output: Output = None,
    rows: RowsFile = None,
    target: Target = None,
    group: Group = None,
    champion: Champion = None,
    expected: Expected = None,
    budget_us: BudgetUs = BUDGET_US,
    seed: Seed = 0,
    patterns: PatternsFile = None,
    priors: PriorsFile = None,
    groups: GroupsFile = None,
    *,
    name: Name = "street",
    version: Version = 1,
    created: Day = None,
    expires: Day = None,
    as_json: AsJson = False,
) -> None:
    """Sign model, campaign, patterns, groups and priors into one bundle, and verify it as a gateway does.

    The inputs of an ONNX file are matched with the attributes of the schema by name and type. Exit code 1 if the key cannot be used
    (MakeError), the model cannot be imported (ImportedError, TableError) or is refused by the check of a gateway (ScorerError), or the
    campaign has a fault or no sign-off (MakeError).
    """
    private = private_key(key)
    file = OnnxFile(model, schema, columns, output, rows, target, group, champion, expected)
    trained = _model(file, private.public_key(), seed, budget_us)
    created_at_ms = _day_ms(created) if created else time.time_ns() // 1_000_000
    offered = _signed_off(campaign, trained.schema)
    draft = Draft(
        name=name,
        version=version,
        created_at_ms=created_at_ms,
        expires_at_ms=_day_ms(expires) if expires else created_at_ms + VALID_DAYS * DAY_MS,
        model=trained.model,
        schema=trained.schema,
        campaign=offered,
        metrics=trained.metrics,
        patterns=read_patterns(patterns.read_bytes()) if patterns else None,
        priors=read_priors(priors.read_bytes(), offered, trained.model.entry.columns) if priors else None,
        groups=read_groups(groups.read_bytes()) if groups else None,
    )
    check_model(trained.model)
    write_bundle(out, private, draft)
    show_verified(summary(open_bundle(out, [private.public_key()], None)), as_json=as_json)
    if not as_json:
        say(f"speed on this machine: {trained.speed}")


def _model(file: OnnxFile, key: Ed25519PublicKey, seed: int, budget_us: float) -> Trained:
    """The model of a folder or of an ONNX file."""
    if not file.path.is_dir():
        with working("checking the model"):
            return _imported(file, key, seed, budget_us)
    if file.stated():
        raise MakeError(f"{', '.join(file.stated())}: only with an ONNX file; the folder {file.path} has its own schema and figures")
    return _trained(file.path)


def _trained(folder: Path) -> Trained:
    if (folder / UPLIFT_REPORT).exists():
        of_trial = report_in(folder)
        return _in_folder(folder, of_trial.model, of_trial.metrics(), "not measured")
    report = read_report(folder)
    entry = msgspec.structs.replace(report.model, calibration=report.calibration)
    speed = f"{report.batch_1_us} µs of processor time for 1 row, {report.batch_64_us} µs for 64"
    return _in_folder(folder, entry, report.metrics(), speed)


def _in_folder(folder: Path, entry: ModelEntry, metrics: Mapping[str, float], speed: str) -> Trained:
    parity = read_parity((folder / PARITY).read_bytes(), len(entry.columns))
    model = LoadableModel((folder / MODEL).read_bytes(), entry, *parity)
    return Trained(model, read_schema((folder / SCHEMA).read_bytes(), entry.columns), metrics, speed)


def _imported(file: OnnxFile, key: Ed25519PublicKey, seed: int, budget_us: float) -> Trained:
    if file.schema is None:
        raise MakeError(f"{file.path} is a file: name its schema with --schema, or give the folder that `train` wrote")
    if (file.group or file.champion) and file.target is None:
        raise MakeError("figures need --target, the column of --rows with the outcome")
    if (file.target or file.expected) and file.rows is None:
        raise MakeError("--target and --expected name columns of --rows: give rows that the model was not trained on")
    try:
        schema = load_schema(file.schema)
    except TomlFileError as error:
        raise MakeError(str(error)) from None
    table = None if file.rows is None else Table(file.rows)
    columns = None if file.columns is None else [column.strip() for column in file.columns.split(",")]
    made = import_model(file.path, schema, seed, table=table, columns=columns, output=file.output, budget_us=budget_us)
    if table is not None and file.expected is not None:
        check_expected(made, table, file.expected)
    metrics = {"parity_worst": made.parity_worst}
    if table is not None and file.target is not None:
        champion = None if file.champion is None else read_champion(file.champion, key)
        metrics |= measure(made, table, table.labelled(file.target, file.group), champion, seed).metrics()
    return Trained(made.model, schema, metrics, f"{made.batch_1_us} µs of processor time for 1 row, {made.batch_64_us} µs for 64")


def _signed_off(path: Path, schema: Schema) -> Campaign:
    """The campaign in the file. Raises MakeError for a fault in it, and for a draft."""
    try:
        campaign = load_campaign(path, schema).campaign
    except TomlFileError as error:
        raise MakeError(str(error)) from None
    if campaign.sign_off is None:
        raise MakeError(f"{path} is a draft: answer the questions of [sign_off] in it and name an approver")
    if faults := list(type_faults(campaign, schema)):
        raise MakeError("\n".join(f"{path}: {fault}" for fault in faults))
    return campaign


def _day_ms(day: datetime) -> int:
    return int(day.replace(tzinfo=UTC).timestamp()) * 1_000
