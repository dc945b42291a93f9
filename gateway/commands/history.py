"""`wayside history export`: what the gateway remembers of people who said yes to being learned from, as two CSV tables.

The workstation reads them as they are (`wayside-models history`); beside them `history.json` says by which table of features
the `f_` columns were made, so that no model learns from rows that mean something else. Nobody's local id goes into a file: subjects and
decisions get pseudonyms under a key that is drawn for this export and forgotten with it, so neither can be found again in the database
or in an earlier export by name. (Moments can: two exports of the same days hold the same times. Keep no more of them than you need.)

People are written one after the other in the order of their pseudonyms, each in the order of time. Files are complete or not there, and
readable by their owner only.
"""

from __future__ import annotations

import csv
import hashlib
import os
import secrets
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import msgspec
import typer

from gateway.adapters.clock import SystemClock
from gateway.build import open_reader
from gateway.commands.options import CONFIG_FILE, ConfigOption, JsonOption, command_app, guarded, load
from gateway.core import features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.adapters.store.reader import OfferFact, Reader
    from gateway.config import Config
    from gateway.core.policy.decision import Candidate, Decision
    from gateway.core.state import Visit

command = command_app("Export visits, offers, answers and purchases as training data.")

Row = dict[str, Any]

FEATURE_COLUMNS = tuple(f"f_{name}" for name in features.NAMES)
INTERACTIONS = (
    *("subject", "at_ms", "what", "zone", "kind", "offer", "decision", "amount_minor", "dwell_s", "confidence", "propensity", "p_select"),
    *FEATURE_COLUMNS,
)
BASKETS = ("subject", "at_ms", "basket", "item", "quantity", "amount_minor")
PSEUDONYM_BYTES = 8


@command.callback()
def _group() -> None:
    """Keep `export` a subcommand although it is the only one."""


@command.command("export")
def export(
    out: Annotated[Path, typer.Option("--out", help="folder for interactions.csv and baskets.csv")],
    config: ConfigOption = CONFIG_FILE,
    *,
    as_json: JsonOption = False,
) -> None:
    """Write the history of people who consented to learning, under new pseudonyms in each export. The gateway may be running.

    Example: `wayside history export --config wayside.toml --out history`
    """
    settings = load(config)
    guarded(lambda: export_history(settings, out, as_json=as_json))


class Exported(msgspec.Struct, frozen=True):
    """What was written: how many people, rows by what they tell, and rows of baskets."""

    subjects: int
    interactions: dict[str, int]
    baskets: int
    interactions_file: str
    baskets_file: str


def export_history(settings: Config, folder: Path, *, as_json: bool) -> None:
    """Write both files and say what is in them."""
    with closing(open_reader(settings)) as reader:
        exported = write(reader, {zone.id: zone.kind or "" for zone in settings.zones}, folder, SystemClock().now_ms())
    if as_json:
        typer.echo(msgspec.json.encode(exported).decode())
        return
    told = ", ".join(f"{count} {what}" for what, count in exported.interactions.items()) or "nothing yet"
    typer.echo(f"{exported.interactions_file}: {exported.subjects} people who may be learned from: {told}")
    typer.echo(f"{exported.baskets_file}: {exported.baskets} purchases with an offer of theirs")


def write(reader: Reader, kinds: dict[str, str], folder: Path, now_ms: int) -> Exported:
    """Both tables of one moment into `folder`; `kinds` is the kind of place of each zone, where it has one.

    `history.json` comes last: new rows beside an old claim are refused, old rows beside a new one would be believed.
    """
    pseudonyms = _Pseudonyms()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = folder / "interactions.csv", folder / "baskets.csv"
    told: Counter[str] = Counter()
    bought = 0
    with reader.snapshot(), _table(files[0], INTERACTIONS) as interactions, _table(files[1], BASKETS) as baskets:
        people = sorted((pseudonyms.of(subject), subject) for subject in reader.learnable(now_ms))
        for name, subject in people:
            person = _Person(reader, subject, kinds, pseudonyms)
            for row in person.interactions():
                interactions.writerow({"subject": name, **row})
                told[row["what"]] += 1
            for row in person.baskets():
                baskets.writerow({"subject": name, **row})
                bought += 1
    with _whole(folder / "history.json") as file:
        file.write(msgspec.json.encode({"features_hash": features.SCHEMA_HASH}).decode() + "\n")
    return Exported(len(people), dict(told), bought, str(files[0]), str(files[1]))


class _Pseudonyms:
    """A keyed hash whose key nobody keeps: the same name within one export, another one in the next."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, name: str) -> str:
        return hashlib.blake2b(name.encode(), key=self._key, digest_size=PSEUDONYM_BYTES).hexdigest()


class _Person:
    """One person's rows, without their name."""

    def __init__(self, reader: Reader, subject: str, kinds: dict[str, str], pseudonyms: _Pseudonyms) -> None:
        self._kinds = kinds
        self._code = pseudonyms.of
        self._visits = list(reader.visits(subject))
        self._decisions = list(reader.decisions(subject))
        self._said = list(reader.offer_facts(subject))
        self._proposed = {decision.id: decision for decision in self._decisions if decision.offer is not None}

    def interactions(self) -> list[Row]:
        rows = [
            *(self._visited(visit) for visit in self._visits),
            *(self._decided(decision) for decision in self._decisions),
            *(self._answered(said) for said in self._said),
        ]
        return sorted(rows, key=lambda row: int(row["at_ms"]))

    def baskets(self) -> list[Row]:
        """A till tells what kind of place it is and the sum, so a basket has one line."""
        return [
            {
                "at_ms": said.at_ms,
                "basket": self._code(f"{said.decision} {number}"),
                "item": said.detail,
                "quantity": 1,
                "amount_minor": said.amount_minor,
            }
            for number, said in enumerate(self._said)
            if said.kind == "purchase"
        ]

    def _visited(self, visit: Visit) -> Row:
        return {
            "at_ms": visit.entered_ms,
            "what": "visit",
            "zone": visit.zone,
            "kind": self._kinds.get(visit.zone, ""),
            "dwell_s": (visit.left_ms - visit.entered_ms) / 1000,
            "confidence": round(visit.confidence, 4),
        }

    def _decided(self, decision: Decision) -> Row:
        row: Row = {
            "at_ms": decision.at_ms,
            "what": "silent" if decision.offer is None else "proposed",
            "zone": decision.zone,
            "decision": self._code(decision.id),
            "p_select": decision.p_select,
        }
        chosen = _chosen(decision)
        if chosen is None:
            return row
        scored = dict(zip(FEATURE_COLUMNS, chosen.features, strict=True)) if len(chosen.features) == len(FEATURE_COLUMNS) else {}
        return row | {"offer": chosen.offer, "kind": _kind(chosen), "propensity": chosen.propensity} | scored

    def _answered(self, said: OfferFact) -> Row:
        decision = self._proposed.get(said.decision)
        chosen = _chosen(decision) if decision is not None else None
        is_purchase = said.kind == "purchase"
        return {
            "at_ms": said.at_ms,
            "what": "purchase" if is_purchase else said.detail,
            "zone": said.zone,
            "kind": said.detail if is_purchase or chosen is None else _kind(chosen),
            "offer": "" if chosen is None else chosen.offer,
            "decision": self._code(said.decision),
            "amount_minor": said.amount_minor,
        }


def _chosen(decision: Decision) -> Candidate | None:
    return next((candidate for candidate in decision.candidates if candidate.offer == decision.offer), None)


def _kind(chosen: Candidate) -> str:
    """What kind of offer was scored, read off the row itself: the campaign of that day may be gone."""
    if len(chosen.features) != len(features.NAMES):
        return ""
    row = dict(zip(features.NAMES, chosen.features, strict=True))
    return next((kind for kind in features.KINDS if row[f"offer_{kind}"] == 1.0), "other")


@contextmanager
def _table(path: Path, columns: tuple[str, ...]) -> Iterator[csv.DictWriter[str]]:
    """A CSV file that is there once it is whole."""
    with _whole(path) as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        yield writer


@contextmanager
def _whole(path: Path) -> Iterator[TextIO]:
    """A file of its owner's that is there once it is whole."""
    draft = path.with_name(f"{path.name}.part")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
