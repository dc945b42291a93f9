"""`wayside why`: a decision from the log, with one sentence for the person, and every candidate with its reason and its figures."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from gateway.build_store import open_reader
from gateway.commands.options import CONFIG_FILE, ConfigOption, JsonOption, SetOption, command_app, load
from gateway.commands.why.contributions import Contributions, contributions
from gateway.core.discards import Discard
from gateway.core.explanation import sentence
from gateway.core.policy.decision import Candidate, Decision
from gateway.core.policy.gates import CHOSEN, GATES, LOWER_RANK, OUTCOMES, REASONS
from gateway.core.refusal import Refusal
from gateway.core.site import local

if TYPE_CHECKING:
    from gateway.adapters.store.reader import Reader
    from gateway.config import Config

LATEST_MOST = 20


command = command_app()


@command.command()
def why(
    decision: Annotated[str | None, typer.Argument(help="the decision's id; without it the newest decisions are listed")] = None,
    config: ConfigOption = CONFIG_FILE,
    override: SetOption = None,
    *,
    reasons: Annotated[bool, typer.Option("--reasons", help="list all reasons of decisions and of dropped messages, and exit")] = False,
    as_json: JsonOption = False,
) -> None:
    """Explain a decision: each offer, the rule that excluded it or its rank, and the attributes that changed its score most.

    Example: `wayside why gw-a.0f3a2b1c4d5e6f70 --config wayside.toml`

    `wayside why --reasons` needs no config: it lists the reasons that a decision may have, and those for which a gateway drops messages
    and observations.
    """
    if reasons:
        print_reasons(as_json=as_json)
        return
    settings = load(config, override)
    with closing(open_reader(settings)) as store:
        if decision is None:
            print_latest(store, as_json=as_json)
            return
        found = store.decision(decision)
        if found is None:
            raise Refusal(f"no decision {decision!r} here", f"`wayside why --config {config}` lists the newest")
        print_decision(settings, *found, contributions(settings, store, found[0]), as_json=as_json)


def shown_reason(candidate: Candidate) -> str:
    """The reason, and the attribute whose value is missing if that is the reason."""
    return f"{candidate.reason}:{candidate.missing}" if candidate.missing else candidate.reason


def print_reasons(*, as_json: bool) -> None:
    """Every reason of a decision and of a discard, with its meaning."""
    decisions = [{"reason": row.reason, "scope": row.scope, "meaning": row.meaning} for row in (*GATES, *OUTCOMES)]
    discards = [{"reason": row.value, "counter": row.counter, "meaning": row.meaning, "check": row.check} for row in Discard]
    if as_json:
        typer.echo(msgspec.json.encode({"decisions": decisions, "discards": discards}).decode())
        return
    for title, rows in (
        ("reasons of a decision, as they are checked: once for all offers, for each offer, after scoring", decisions),
        ("reasons for dropping a message or an observation, with the status field that counts them", discards),
    ):
        table = Table(*(Column(name, overflow="fold") for name in rows[0]), title=title)
        for row in rows:
            table.add_row(*row.values())
        Console().print(table)


def print_latest(store: Reader, *, as_json: bool) -> None:
    """The newest decisions, at most LATEST_MOST."""
    rows = store.latest_decisions(LATEST_MOST)
    if as_json:
        typer.echo(msgspec.json.encode([dict(zip(("decision", "zone", "reason", "offer"), row, strict=True)) for row in rows]).decode())
        return
    table = Table("decision", "zone", "offer", "reason", title=f"the {len(rows)} newest decisions")
    for id_, zone, reason, offer in rows:
        table.add_row(id_, zone, offer or "silence", reason)
    Console().print(table)


def print_decision(settings: Config, decision: Decision, answer: str | None, known: Contributions, *, as_json: bool) -> None:
    """One decision: the sentence for the person, the candidates, and the parts of the figures."""
    plain = sentence(decision, local(decision.at_ms, ZoneInfo(settings.timezone)).hour, known.effects, known.schema)
    if as_json:
        typer.echo(msgspec.json.encode(_as_values(decision, answer, known, plain)).decode())
        return
    console = Console()
    chosen = f"offer {decision.offer}" if decision.offer else "silence"
    console.print(f"[bold]{decision.id}[/bold]: {chosen} in {decision.zone} on {decision.occasion}, because {REASONS[decision.reason]}.")
    console.print(f"for the person: {plain}", highlight=False)
    rights = ", ".join(f"{name} {'right' if holds else 'not established'}" for name, holds in decision.rights._asdict().items())
    console.print(f"the four rights: {rights}", highlight=False)
    if decision.slate:
        console.print(f"item {decision.position + 1} of the slate {decision.slate}", highlight=False)
    console.print(f"model {decision.model or '(none)'}, p_select {decision.p_select:g}, answer {answer or '(none yet)'}")
    table = Table("candidate", "propensity", "expected value", "reason", "meaning")
    for candidate in decision.candidates:
        propensity = "" if candidate.propensity is None else f"{candidate.propensity:.3f}"
        expected_value = "" if candidate.expected_value_minor is None else f"{candidate.expected_value_minor:.1f}"
        table.add_row(candidate.offer, propensity, expected_value, shown_reason(candidate), REASONS[candidate.reason])
    table.add_row("silence", "", "0.0", (CHOSEN if decision.offer is None else LOWER_RANK).reason, "no offer is sent")
    for reason, count in decision.left_out.items():
        table.add_row(f"{count:,} more", "", "", reason, REASONS[reason])
    console.print(table)
    if known.parts:
        first = known.parts[0]
        console.print(f"{first.offer}: {first.in_full}", highlight=False)
    if known.effects:
        console.print("attributes that changed the model's score of it most (against typical values of that one attribute):")
        for name, change in known.effects:
            console.print(f"  {name}: {change:+.3f}")


def _as_values(decision: Decision, answer: str | None, known: Contributions, plain: str) -> dict[str, Any]:
    parts = {one.offer: one for one in known.parts}
    return {
        "decision": decision.id,
        "zone": decision.zone,
        "occasion": decision.occasion,
        "at_ms": decision.at_ms,
        "slate": decision.slate,
        "position": decision.position,
        "offer": decision.offer,
        "reason": decision.reason,
        "meaning": REASONS[decision.reason],
        "sentence": plain,
        "rights": decision.rights._asdict(),
        "p_select": decision.p_select,
        "model": decision.model,
        "answer": answer,
        "candidates": [
            {
                "offer": candidate.offer,
                "reason": candidate.reason,
                "missing": candidate.missing,
                "propensity": candidate.propensity,
                "expected_value_minor": candidate.expected_value_minor,
                "parts": parts.get(candidate.offer),
            }
            for candidate in decision.candidates
        ],
        "left_out": dict(decision.left_out),
        "mattered": [{"attribute": name, "change": change} for name, change in known.effects],
    }
