"""Learning through the engine: known answers, replay, crashes, consent, bundles, demotion, and a long run against a known truth."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from gateway.core import limits
from gateway.core.learned import OfferPriors
from gateway.core.learning.drift import Losses
from gateway.core.learning.explore import in_holdout
from gateway.core.learning.health import Health
from gateway.core.learning.state import ALL, LearnedState, Share
from gateway.core.policy.decision import Decision
from gateway.core.site import Site
from gateway.core.types import AnswerKind, Observation, Purpose, TimePassed
from tests.kit.testbed import EVERYTHING, HOUR_MS, Gateway, Phone, TableScorer, campaign, make_site, offer

POLICY: dict[str, Any] = {
    "quiet_from": 0,
    "quiet_until": 0,
    "gap_s_min": 0,
    "per_person_day_max": 60,
    "propensity_min": 0.0,
    "refusal_s": 1,
    "contact_cost_minor": 0.0,
    "buying_share": 0.0,
    "learn": True,
}
TEA = offer("tea", per_person_day_max=60, horizon_s=60)
CAKE = offer("cake", category="bar", per_person_day_max=60, horizon_s=60)
TRUTH = {"tea": 0.7, "cake": 0.2}
CLOSED_MS = 60_000 + limits.OUTCOME_GRACE_MS


def site(*offers: Any, **changes: Any) -> Site:
    """A site whose campaign learns; `changes` are of the policy or, with `site_`, of the site."""
    of_site = {name.removeprefix("site_"): value for name, value in changes.items() if name.startswith("site_")}
    policy = POLICY | {name: value for name, value in changes.items() if not name.startswith("site_")}
    return make_site(campaign=campaign(*(offers or (TEA, CAKE)), **policy), **of_site)


def gateway_of(folder: Path, where: Site | None = None, **scores: float) -> Gateway:
    scorer = TableScorer(scores or {"coffee_house": 0.45, "bar": 0.45})
    return Gateway(folder, site=where or site(holdout=0.0), scorer=scorer, synced=False)


class Recorded:
    """A gateway whose batches are recorded with their times, so that another one can repeat them."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.batches: list[tuple[int, tuple[Observation, ...]]] = []

    def apply(self, *observations: Observation, after_ms: int = 0) -> list[Decision]:
        self.gateway.clock.advance(after_ms)
        self.batches.append((after_ms, observations))
        return self.gateway.apply(*observations).decisions.made

    def visit(self, phone: Phone) -> Decision:
        """The person enters the cafe after an hour: the decision."""
        self.apply(TimePassed(), after_ms=HOUR_MS)
        self.apply(phone.near("scan-cafe"))
        (made,) = self.apply(phone.near("scan-cafe"), after_ms=1_000)
        return made

    def answer(self, phone: Phone, made: Decision, kind: AnswerKind | None) -> None:
        """The answer, and the end of the window."""
        if kind is not None:
            self.apply(phone.answer(made.id, kind))
        self.apply(TimePassed(), after_ms=CLOSED_MS)


def lived(run: Recorded, rounds: int, people: int = 4, seed: int = 5, purposes: tuple[Purpose, ...] = EVERYTHING) -> list[Decision]:
    """People visit in turn and answer as TRUTH states: the decisions."""
    draws, found = random.Random(seed), list[Decision]()  # noqa: S311 - a seeded test
    phones = [Phone(f"phone-{number:04}") for number in range(people)]
    for phone in phones:
        run.apply(phone.consent(purposes))
    for at in range(rounds):
        phone = phones[at % people]
        made = run.visit(phone)
        found.append(made)
        run.answer(phone, made, None if made.offer is None else "accepted" if draws.random() < TRUTH[made.offer] else "dismissed")
    return found


def memory(gateway: Gateway) -> tuple[LearnedState, Health, str]:
    learning = gateway.state.learning
    return learning.learned, learning.health, learning.basis


# --- one answer ----------------------------------------------------------------------------------------------


def test_a_first_answer_counts_in_the_models_of_offer_category_and_all(tmp_path: Path) -> None:
    run = Recorded(gateway_of(tmp_path, site(TEA, holdout=0.0)))
    phone = Phone()
    run.apply(phone.consent())
    made = run.visit(phone)
    assert (made.offer, made.reason, made.arm) == ("tea", "chosen", "sent")
    assert made.policy == f"learned-1.{run.gateway.site.campaign.policy.digest}"
    assert 0.98 <= made.p_select <= 1.0, "the rules decide in 98 % of the cases, and silence may be drawn in the others"
    before = run.gateway.state.learning.learned
    assert before.models == {}
    run.answer(phone, made, "accepted")
    learned, health, _ = memory(run.gateway)
    assert set(learned.models) == {"tea", "category:coffee_house", ALL}
    assert (learned.shares["taken"], learned.shares["redeemed"]) == (Share(1.0, 1.0), Share(0.0, 1.0))
    assert learned.shown == {"tea": 1.0}
    assert health.answers == 1
    candidate = made.candidates[0]
    assert candidate.propensity is not None
    assert health.learned == Losses().plus(candidate.propensity, taken=True)
    assert health.plain == Losses().plus(float(np.float32(0.45)), taken=True)
    person = run.gateway.store.context(run.gateway.state.people.identities[phone.device])
    assert person is not None
    assert person.learned.effects["tea"].mean > 0.0


def test_a_repeated_answer_and_a_second_window_count_once(tmp_path: Path) -> None:
    run = Recorded(gateway_of(tmp_path, site(TEA, holdout=0.0)))
    phone = Phone()
    run.apply(phone.consent())
    made = run.visit(phone)
    answer = phone.answer(made.id, "accepted")
    run.apply(answer, answer)
    run.apply(answer)
    run.apply(TimePassed(), TimePassed(), after_ms=CLOSED_MS)
    run.apply(answer, TimePassed(), after_ms=CLOSED_MS)
    assert run.gateway.state.learning.learned.shares["taken"] == Share(1.0, 1.0)
    assert run.gateway.state.learning.health.answers == 1


def test_two_people_in_one_batch_both_count(tmp_path: Path) -> None:
    run = Recorded(gateway_of(tmp_path, site(TEA, holdout=0.0)))
    phones = [Phone("phone-0001"), Phone("phone-0002")]
    run.apply(*[phone.consent() for phone in phones], *[phone.near("scan-cafe") for phone in phones])
    made = run.apply(*[phone.near("scan-cafe") for phone in phones], after_ms=1_000)
    assert [one.offer for one in made] == ["tea", "tea"]
    run.apply(*[phone.answer(one.id, "dismissed") for phone, one in zip(phones, made, strict=True)])
    run.apply(TimePassed(), after_ms=CLOSED_MS)
    learned = run.gateway.state.learning.learned
    assert (learned.shares["taken"], learned.shown["tea"], learned.moments["cafe|entered"]) == (Share(0.0, 2.0), 2.0, 2.0)


# --- consent -------------------------------------------------------------------------------------------------


def test_without_the_purpose_learning_only_the_person_is_learned(tmp_path: Path) -> None:
    run = Recorded(gateway_of(tmp_path))
    made = lived(run, 12, people=1, purposes=("presence", "offers"))
    assert any(one.offer for one in made)
    learned, health, _ = memory(run.gateway)
    assert learned == LearnedState()
    assert health == Health()
    person = run.gateway.store.context(next(iter(run.gateway.state.people.identities.values())))
    assert person is not None
    assert person.learned.effects


def test_a_withdrawal_deletes_the_effects_and_keeps_the_models(tmp_path: Path) -> None:
    run = Recorded(gateway_of(tmp_path))
    lived(run, 8, people=1)
    subject = next(iter(run.gateway.state.people.identities.values()))
    before = memory(run.gateway)
    run.apply(Phone("phone-0000", boot="b2").withdrawal())
    assert subject not in run.gateway.dump()
    assert run.gateway.store.context(subject) is None
    assert memory(run.gateway) == before


def test_a_consent_without_offers_forgets_the_effects(tmp_path: Path) -> None:
    run = Recorded(gateway_of(tmp_path))
    phone = Phone()
    run.apply(phone.consent())
    run.answer(phone, run.visit(phone), "accepted")
    run.apply(phone.consent(("presence",)))
    person = run.gateway.store.context(run.gateway.state.people.identities[phone.device])
    assert person is not None
    assert not person.learned.effects


def test_a_held_out_person_never_gets_a_trigger_and_teaches_no_offer(tmp_path: Path) -> None:
    run = Recorded(gateway_of(tmp_path, site(holdout=0.5)))
    made = lived(run, 60, people=12)
    held = {f"phone-{number:04}" for number in range(12) if in_holdout("", f"phone-{number:04}", 0.5)}
    assert 2 <= len(held) <= 10
    subjects = {run.gateway.state.people.identities[device] for device in held}
    assert {row[1] for row in run.gateway.rows("triggers")}.isdisjoint(subjects)
    assert {one.subject for one in made if one.arm == "held_out"} == subjects
    sent = sum(one.arm == "sent" for one in made)
    assert run.gateway.state.learning.health.answers == sent
    assert sum(run.gateway.state.learning.learned.shown.values()) == sent


# --- replay, crash, restart ----------------------------------------------------------------------------------


def test_the_same_log_gives_the_same_decisions_and_the_same_rows(tmp_path: Path) -> None:
    run = Recorded(gateway_of(tmp_path / "a"))
    decisions = lived(run, 40)
    again = gateway_of(tmp_path / "b")
    repeated: list[Decision] = []
    for after_ms, batch in run.batches:
        again.clock.advance(after_ms)
        repeated += again.apply(*batch).decisions.made
    assert msgspec.msgpack.encode(repeated) == msgspec.msgpack.encode(decisions)
    assert again.rows("learned") == run.gateway.rows("learned")
    assert len({one.offer for one in decisions}) > 1
    other = Gateway(tmp_path / "c", site=site(holdout=0.0), scorer=run.gateway.scorer, seed=2, synced=False)
    differing: list[Decision] = []
    for after_ms, batch in run.batches[: len(run.batches) // 2]:
        other.clock.advance(after_ms)
        differing += other.apply(*batch).decisions.made
    assert [one.seed for one in differing] != [one.seed for one in decisions[: len(differing)]], "draws follow from the seed"


def test_two_hundred_crashes_lose_no_committed_answer(tmp_path: Path) -> None:
    """At each step the memory is lost, before or after the commit; each closed window of the database counts once in the models."""
    gateway, draws = gateway_of(tmp_path, site(TEA, holdout=0.0)), random.Random(9)  # noqa: S311 - a seeded test
    asked: list[tuple[Phone, str]] = []
    for number in range(200):
        step = draws.random()
        if asked and step < 0.3:
            phone, decision = draws.choice(asked)
            changes = gateway.advance(phone.answer(decision, draws.choice(("accepted", "dismissed"))))
        elif asked and step < 0.55:
            gateway.clock.advance(CLOSED_MS)
            changes = gateway.advance(TimePassed())
        else:
            phone = Phone(f"phone-{number:04}")
            gateway.apply(phone.consent(), phone.near("scan-cafe"))
            gateway.clock.advance(1_000)
            changes = gateway.advance(phone.near("scan-cafe"))
            asked += [(phone, made.id) for made in changes.decisions.made if made.offer]
        if draws.random() < 0.6 and changes.is_durable:
            gateway.store.save(changes)
        gateway.crash()
    gateway.clock.advance(CLOSED_MS)
    for _ in range(2):
        gateway.apply(TimePassed())
        gateway.clock.advance(CLOSED_MS)
    outcomes = Counter(row[2] for row in gateway.rows("outcomes"))
    learned, health, _ = memory(gateway)
    assert health.answers == outcomes.total() > 20
    assert outcomes["accepted"] > 0
    assert learned.shares["taken"] == Share(outcomes["accepted"], outcomes.total())
    before = memory(gateway)
    gateway.restart()
    assert memory(gateway) == before


def test_rows_of_another_format_are_started_anew(tmp_path: Path) -> None:
    run = Recorded(gateway_of(tmp_path))
    lived(run, 8)
    run.gateway.store._db.execute("UPDATE learned SET body = x'c1' WHERE key LIKE 'models/%'")
    run.gateway.crash()
    assert memory(run.gateway) == (LearnedState(), Health(), "")
    run.visit(Phone("phone-0000", boot="b3"))
    assert run.gateway.state.learning.basis == run.gateway.site.learner.basis  # type: ignore[union-attr]


# --- bundles -------------------------------------------------------------------------------------------------


def prior(offer_id: str, taken: float, refused: float) -> OfferPriors:
    return OfferPriors(offer_id, (), taken, refused)


def test_priors_of_the_bundle_are_where_learning_starts(tmp_path: Path) -> None:
    """Of two offers of one category one was taken by .1 and the other by .7, of 200 each; the model's score is .45 for both."""
    pie = offer("pie", per_person_day_max=60, horizon_s=60)
    stated: dict[str, dict[str, float | None]] = {}
    for name, priors in (("none", ()), ("known", (prior("tea", 20.0, 180.0), prior("pie", 140.0, 60.0)))):
        run = Recorded(gateway_of(tmp_path / name, site(TEA, pie, holdout=0.0, site_priors=priors)))
        phone = Phone()
        run.apply(phone.consent())
        stated[name] = {one.offer: one.propensity for one in run.visit(phone).candidates}
    assert stated["none"] == {"tea": pytest.approx(0.45, abs=0.03), "pie": pytest.approx(0.45, abs=0.03)}
    assert (stated["known"]["tea"] or 1.0) < 0.3
    assert (stated["known"]["pie"] or 0.0) > 0.6


def test_a_new_bundle_keeps_models_of_offers_that_stay_and_starts_anew_with_other_columns(tmp_path: Path) -> None:
    run = Recorded(gateway_of(tmp_path))
    lived(run, 40)
    before = run.gateway.state.learning.learned
    assert {"tea", "cake"} <= set(before.models)
    run.gateway.site = site(TEA, offer("pie", per_person_day_max=60, horizon_s=60), holdout=0.0, site_priors=(prior("pie", 3.0, 1.0),))
    run.visit(Phone("phone-0000", boot="b2"))
    after = run.gateway.state.learning.learned
    assert "cake" not in after.models
    assert after.models["tea"] == before.models["tea"]
    assert "pie" in after.models
    assert after.models[ALL] == before.models[ALL]
    assert after.shares == before.shares
    few = tuple(name for name in run.gateway.site.columns if name not in {"hour", "weekday"})
    run.gateway.site = site(TEA, CAKE, holdout=0.0, site_columns=few)
    assert run.gateway.site.learner is not None
    changed = run.gateway.site.learner.plan != site().learner.plan  # type: ignore[union-attr]
    run.visit(Phone("phone-0000", boot="b4"))
    assert changed
    assert run.gateway.state.learning.learned.models == {}
    assert run.gateway.state.learning.learned.visits.keys() >= before.visits.keys(), "visits are counted for every model"
    rows = {key for key, *_ in run.gateway.rows("learned")}
    assert not any(key.startswith("models/") for key in rows)


# --- champion and challenger ---------------------------------------------------------------------------------


def test_a_demoted_policy_leaves_the_choice_to_score_times_value_and_is_still_compared(tmp_path: Path) -> None:
    run = Recorded(gateway_of(tmp_path))
    lived(run, 4)
    worse, better = Losses(0.9, 300), Losses(0.6, 300)
    run.gateway.state.learning.health = Health(300, learned=worse, plain=better, demoted=True)
    made = lived(run, 6, seed=6)
    assert {one.policy.partition(".")[0] for one in made} == {"plain-1"}
    assert {one.p_select for one in made} == {1.0}
    assert {one.candidates[0].propensity for one in made} == {float(np.float32(0.45))}
    health = run.gateway.state.learning.health
    assert (health.demoted, health.answers) == (True, 306)


def test_a_long_run_learns_the_truth_and_its_calibration_error_falls(tmp_path: Path) -> None:
    """320 answers by people who take .7 of the tea and .2 of the cake; the model's score is .45 for both.

    The distance from the truth is that of both offers' stated propensities, .25 at the start, over the first 8 and the last 60 decisions.
    """
    run = Recorded(gateway_of(tmp_path))
    made = lived(run, 320, people=16, seed=8)
    errors = [float(np.mean([abs((one.propensity or 0.0) - TRUTH[one.offer]) for one in each.candidates])) for each in made]
    assert float(np.mean(errors[:8])) > 0.2
    assert float(np.mean(errors[-60:])) < 0.15
    health = run.gateway.state.learning.health
    assert health.answers == sum(one.offer is not None for one in made)
    assert health.learned.mean < health.plain.mean
    assert not health.demoted
    assert health.calibration_error is not None
    assert health.calibration_error < 0.15
    sent = Counter(one.offer for one in made)
    assert sent["tea"] > 2 * sent["cake"], "though the lever of even exposure helps the cake"
