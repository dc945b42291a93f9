"""`wayside why`: a decision from the log, in words: every candidate, its gate or its rank, and the features that mattered.

A feature matters as much as the propensity changes when the model is not told it (occlusion): columns that say one
thing together, such as the weather, are hidden together. It explains the model, not the person.
"""

from __future__ import annotations

import math
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from gateway.adapters.onnx_scorer import load_scorer
from gateway.build import FAULTS, open_config_bundle, open_reader
from gateway.commands.options import CONFIG_FILE, ConfigOption, JsonOption, SetOption, command_app, fail, guarded, load
from gateway.core import features
from gateway.core.policy.decision import REASONS, Candidate, Decision

if TYPE_CHECKING:
    from gateway.adapters.store.reader import Reader
    from gateway.config import Config

MATTERED_MOST = 5
LATEST_MOST = 20


command = command_app()


@command.command()
def why(
    decision: Annotated[str | None, typer.Argument(help="the decision's id; without it the newest decisions are listed")] = None,
    config: ConfigOption = CONFIG_FILE,
    override: SetOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Explain a decision: every candidate, its gate or its rank, and the features that changed its score most.

    Example: `wayside why gw-a.0f3a2b1c4d5e6f70 --config wayside.toml`
    """
    settings = load(config, override)
    with closing(guarded(lambda: open_reader(settings))) as store:
        if decision is None:
            print_latest(store, as_json=as_json)
            return
        found = store.decision(decision)
    if found is None:
        fail(f"no decision {decision!r} here; `wayside why --config {config}` lists the newest")
    print_decision(settings, *found, as_json=as_json)


def print_latest(store: Reader, *, as_json: bool) -> None:
    """The newest decisions."""
    rows = store.latest_decisions(LATEST_MOST)
    if as_json:
        typer.echo(msgspec.json.encode([dict(zip(("decision", "zone", "reason", "offer"), row, strict=True)) for row in rows]).decode())
        return
    table = Table("decision", "zone", "offer", "reason", title=f"the {len(rows)} newest decisions")
    for id_, zone, reason, offer in rows:
        table.add_row(id_, zone, offer or "silence", reason)
    Console().print(table)


def print_decision(settings: Config, decision: Decision, answer: str | None, *, as_json: bool) -> None:
    """One decision with its candidates."""
    mattered = _mattered(settings, decision)
    if as_json:
        typer.echo(msgspec.json.encode(_as_values(decision, answer, mattered)).decode())
        return
    console = Console()
    chosen = f"offer {decision.offer}" if decision.offer else "silence"
    console.print(f"[bold]{decision.id}[/bold]: {chosen} in {decision.zone} on {decision.occasion}, because {REASONS[decision.reason]}.")
    console.print(f"model {decision.model or '(none)'}, p_select {decision.p_select:g}, answer {answer or '(none yet)'}")
    table = Table("candidate", "propensity", "worth", "outcome", "meaning")
    for candidate in decision.candidates:
        propensity = "" if candidate.propensity is None else f"{candidate.propensity:.3f}"
        worth = "" if candidate.worth_minor is None else f"{candidate.worth_minor:.1f}"
        table.add_row(candidate.offer, propensity, worth, candidate.reason, REASONS[candidate.reason])
    table.add_row("silence", "", "0.0", "chosen" if decision.offer is None else "outranked", "not disturbing anybody")
    console.print(table)
    if mattered:
        console.print("what mattered most for the first of them (change of propensity if the model were not told):")
        for name, change in mattered:
            console.print(f"  {name}: {change:+.3f}")


def _as_values(decision: Decision, answer: str | None, mattered: list[tuple[str, float]]) -> dict[str, Any]:
    return {
        "decision": decision.id,
        "zone": decision.zone,
        "occasion": decision.occasion,
        "at_ms": decision.at_ms,
        "offer": decision.offer,
        "reason": decision.reason,
        "meaning": REASONS[decision.reason],
        "p_select": decision.p_select,
        "model": decision.model,
        "answer": answer,
        "candidates": [
            {"offer": candidate.offer, "reason": candidate.reason, "propensity": candidate.propensity, "worth_minor": candidate.worth_minor}
            for candidate in decision.candidates
        ],
        "mattered": [{"features": name, "change": change} for name, change in mattered],
    }


def _mattered(settings: Config, decision: Decision) -> list[tuple[str, float]]:
    """(feature group, how much telling it changed the propensity), largest first; nothing if that model is gone."""
    first = next((candidate for candidate in decision.candidates if candidate.features), None)
    if first is None:
        return []
    try:
        bundle = open_config_bundle(settings, decision.at_ms)
        if f"{bundle.manifest.name}-{bundle.manifest.version}" != decision.model:
            return []
        groups = _groups()
        row = _row(first)
        hidden = np.stack([row, *(_without(row, columns) for columns in groups.values())])
        told, *untold = load_scorer(bundle.model).score(hidden.astype(np.float32)).tolist()
    except FAULTS:
        return []
    changes = [(name, told - score) for name, score in zip(groups, untold, strict=True)]
    return sorted(changes, key=lambda change: -abs(change[1]))[:MATTERED_MOST]


def _groups() -> dict[str, list[int]]:
    """Columns by what they tell: `weather_*` are one thing, as are `heading_*`; what the offer is cannot be hidden."""
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(features.NAMES):
        kind = name.split("_", 1)[0]
        if kind != "offer":
            groups.setdefault(kind if kind in {"weather", "heading", "visits"} else name, []).append(index)
    return groups


def _row(candidate: Candidate) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([math.nan if value is None else value for value in candidate.features])


def _without(row: np.ndarray[Any, np.dtype[np.float64]], columns: list[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    hidden = row.copy()
    hidden[columns] = np.nan
    return hidden
