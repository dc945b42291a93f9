"""`wayside-models ope`: an estimate of the earnings of a new bundle's policy, from a gateway's log."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import typer

from gateway.adapters.bundle import open_bundle, read_public_keys
from gateway.adapters.onnx_scorer import load_scorer
from gateway.core.bundle import Bundle
from gateway.core.measure.off_policy import smoothed_rates
from gateway.core.measure.overlap import CHECKS, THIN_COUNT, Overlap, Support, overlap, support
from models.arrays import Floats, Ints
from models.history.labels import LabelledProposals, labelled_proposals
from models.history.reading import find_tables, open_history
from models.measures import Interval, draw_units, interval
from models.off_policy.estimates import DRAWS, Estimates, OffPolicyError, estimates, weights_of
from models.off_policy.policy import SILENCE, BundlePolicy
from models.screen import counts_text, interval_text, print_json, progressing, say, show, working

_STRENGTH = 20.0  # rows with the overall rate that the forecast of each offer starts with


class OpeReport(msgspec.Struct, frozen=True):
    """Result of `ope`: earnings in minor units a decision; `estimates` is None if the log is refused.

    `silent` is the share of the decisions in which the bundle would not contact the person, which earns 0 and needs no support.
    """

    decisions: int
    left_out: dict[str, int]
    silent: float
    agreed: float
    overlap: Overlap
    logged: Interval
    estimates: Estimates | None
    unknown: tuple[str, ...]


class Decisions(NamedTuple):
    """By decision, (n,): position of the bundle's offer or SILENCE, whether it is the logged one, and the position of that.

    Also the logged probability, the earnings in minor units, and whether the log has fewer than THIN_COUNT rows of the bundle's choice in
    its zone; `value` is the margin by position, (offers + 1,), 0 for offers that the bundle does not have.
    """

    chosen: Ints
    same: Ints
    logged: Ints
    p_select: Floats
    earned: Floats
    value: Floats
    unseen: Ints


def ope(
    history: Annotated[Path, typer.Option("--history", help="Folder written by `wayside history export`.", exists=True, file_okay=False)],
    bundle: Annotated[Path, typer.Option("--bundle", help="Bundle with the new model and campaign.", exists=True, dir_okay=False)],
    *,
    pub: Annotated[
        Path | None, typer.Option("--pub", help="Trusted public keys; default: the bundle's name with .pub.", exists=True, dir_okay=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed, for reproducible results.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Estimate what a new bundle's policy would have earned in the decisions of a gateway's log, or refuse with the reasons.

    The log must come from a gateway that explores: with p_select 1 throughout, nothing is known of other choices. Exit code 1
    (OffPolicyError) if the log does not support an estimate.
    """
    new = open_bundle(bundle, read_public_keys(_keys(bundle, pub)), None)
    with working("reading the history"):
        log, left_out = _explored(_read(history))
    policy = BundlePolicy(new, log, load_scorer(new.model))
    with progressing("choices of the bundle", policy.steps) as step:
        decisions = _decisions(new, log, policy.choices(step))
    checked = np.flatnonzero(decisions.chosen != SILENCE)
    if not len(checked):
        raise OffPolicyError(f"the bundle would have contacted no person in {len(log.taken):,} decisions: are its zones those of the log?")
    weights = weights_of(decisions.same.astype(np.float64), decisions.p_select)
    unseen = float(decisions.unseen[checked].mean())
    found = overlap(weights[checked], decisions.p_select[checked], unseen)
    report = OpeReport(
        decisions=len(log.taken),
        left_out=left_out,
        silent=1.0 - len(checked) / len(log.taken),
        agreed=float(decisions.same[checked].mean()),
        overlap=found,
        logged=_mean(decisions.earned, log.subjects, seed),
        estimates=None if found.refused else _estimated(decisions, weights, log.subjects, seed),
        unknown=policy.unknown,
    )
    if as_json:
        print_json(report)
    else:
        _show(report, support(weights[checked], decisions.p_select[checked], unseen))
    if found.refused:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("ope", epilog="Example: [b]wayside-models ope --history export --bundle new.bundle --pub street.pub[/b]")(ope)


def _keys(bundle: Path, pub: Path | None) -> Path:
    found = pub or bundle.with_suffix(".pub")
    if not found.is_file():
        raise OffPolicyError(f"{found} does not exist: add --pub with the public keys that the bundle is signed with")
    return found


def _read(folder: Path) -> LabelledProposals:
    path = find_tables(folder).get("interactions")
    if path is None:
        raise OffPolicyError(f"{folder} holds no interactions: the decisions of a gateway are needed, from `wayside history export`")
    with open_history(interactions=path) as history:
        return labelled_proposals(history)


def _explored(log: LabelledProposals) -> tuple[LabelledProposals, dict[str, int]]:
    """The proposals with a logged probability, and the number of the others by reason. Raises OffPolicyError without exploration."""
    stated = np.flatnonzero(np.isfinite(log.p_select))
    left_out = dict(log.left_out)
    if missing := len(log.p_select) - len(stated):
        left_out["no_p_select"] = missing
    if not len(stated):
        raise OffPolicyError("no decision of the log has a p_select: the probabilities of the choices are needed")
    if (log.p_select[stated] == 1.0).all():
        raise OffPolicyError(
            f"no exploration in the log: p_select is 1 in all {len(stated):,} decisions, so the gateway always made the same choice in the "
            "same situation, and nothing is known of other choices. Let a gateway explore first, or compare both bundles on live decisions"
        )
    taken = {
        name: getattr(log, name)[stated] for name in ("rows", "taken", "subjects", "at_ms", "zones", "offers", "propensity", "p_select")
    }
    return log._replace(**taken), left_out


def _decisions(bundle: Bundle, log: LabelledProposals, chosen: Ints) -> Decisions:
    offers = bundle.campaign.offers
    position = {offer.id: at for at, offer in enumerate(offers)}
    logged = np.array([position.get(str(offer), len(offers)) for offer in log.offers], dtype=np.int64)
    value = np.array([*(float(offer.value_minor) for offer in offers), 0.0])
    made = Counter(zip(log.zones.tolist(), logged.tolist(), strict=True))
    rare = [made[choice] < THIN_COUNT for choice in zip(log.zones.tolist(), chosen.tolist(), strict=True)]
    return Decisions(
        chosen=chosen,
        same=(chosen == logged).astype(np.int64),
        logged=logged,
        p_select=log.p_select,
        earned=value[logged] * log.taken,
        value=value,
        unseen=np.array(rare, dtype=np.int64),
    )


def _estimated(decisions: Decisions, weights: Floats, subjects: Ints, seed: int) -> Estimates:
    """Silence earns 0 with certainty, so these decisions have the weight 1 and the forecast 0. Forecasts are fitted to other people."""
    silent = decisions.chosen == SILENCE
    half = np.random.default_rng(seed).permutation(int(subjects.max()) + 1)[subjects] % 2
    of_logged, of_chosen = np.zeros(len(subjects)), np.zeros(len(subjects))
    for side in (0, 1):
        known = np.flatnonzero(half != side)
        mean = smoothed_rates(decisions.logged, decisions.earned, known, len(decisions.value), _STRENGTH)
        at = half == side
        of_logged[at], of_chosen[at] = mean[decisions.logged[at]], mean[decisions.chosen[at]]
    return estimates(
        np.where(silent, 1.0, weights),
        np.where(silent, 0.0, decisions.earned),
        np.where(silent, 0.0, of_logged),
        np.where(silent, 0.0, of_chosen),
        seed,
        subjects,
    )


def _mean(values: Floats, subjects: Ints, seed: int) -> Interval:
    drawn = [float(weights @ values / weights.sum()) for weights in draw_units(subjects, seed, DRAWS)]
    return interval(float(values.mean()), np.array(drawn))


def _show(report: OpeReport, of: Support) -> None:
    say(
        f"{report.decisions:,} decisions; left out: {counts_text(report.left_out)}; the bundle is silent in {report.silent:.1%}, and "
        f"{report.agreed:.1%} of its choices are the logged ones"
    )
    if report.unknown:
        say(f"unknown in the log, so unknown to the bundle's model: {', '.join(report.unknown)}")
    say(f"support: ESS {of.ess:,.0f} of {of.rows:,}, mean weight {of.weight_mean:.3f}, k-hat {of.k_hat:.2f}")
    rows = [(check.name, "passed" if check.passes(of) else f"refused: {check.reason(of)}") for check in CHECKS]
    show("Does the log support an estimate?", ("check", "verdict"), rows)
    if report.estimates is None:
        say("no estimate: the log does not support one")
        return
    each = report.estimates
    named = {"the log itself": report.logged, "IPS": each.ips, "SNIPS": each.snips, "DR": each.dr, "Switch-DR": each.switch_dr}
    listed = [(name, interval_text(found, 2)) for name, found in named.items()]
    show("Earnings in minor units a decision", ("estimate", "mean (95 %, by person)"), listed)
