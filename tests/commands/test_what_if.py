"""`wayside what-if`: the same campaign gives the same decisions; another one gives counts, differences and an honest effect."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from gateway.build import build
from gateway.commands.what_if.figures import WhatIf, effect, figures
from gateway.commands.what_if.replay import NO_HISTORY, Moment, Replayed, replayed
from gateway.core.offers import Campaign
from gateway.core.policy.decision import Candidate, Decision
from gateway.core.policy.gates import CHOSEN, REASONS
from gateway.core.site import Site
from gateway.core.types import AnswerKind, NeighbourContact, Reading
from tests.commands.terminal import wayside
from tests.kit.bundles import make_bundle, tiny_campaign
from tests.kit.gateways import settings_of, walk_in, write_config
from tests.kit.testbed import HOUR_MS, OFFERS, Gateway, Phone, TableScorer, campaign, make_site, offer, purchase

SCORES = {"coffee_house": 0.4, "bar": 0.3}
ANCHORS = ("scan-cafe", "scan-bar", "scan-station")
RULES = {"gap_s_min": 1_800, "per_person_day_max": 3, "quiet_from": 0, "quiet_until": 0, "contact_cost_minor": 10.0, "holdout": 0.2}


def site_of(made: Campaign) -> Site:
    return make_site(campaign=made)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    """Weeks of ten people with answers, purchases and weather; one of them does not consent to learning."""
    return run(tmp_path_factory.mktemp("log"), 800)


def run(folder: Path, steps: int, **rules: object) -> Gateway:
    """A seeded run; `rules` are fields of the policy beside RULES."""
    offers = [replace(one, zones=("cafe", "bar", "station"), per_person_day_max=2) for one in OFFERS]
    made = Gateway(folder, site=site_of(campaign(*offers, **RULES | rules)), scorer=TableScorer(SCORES), synced=False)
    draws = random.Random(5)  # noqa: S311 - a seeded test
    phones = [Phone(f"phone-{number:04}") for number in range(10)]
    for phone in phones:
        made.apply(phone.consent(("presence", "offers") if phone is phones[0] else ("presence", "offers", "learning", "measurement")))
    for step in range(steps):
        phone, anchor = draws.choice(phones), draws.choice(ANCHORS)
        if step % 9 == 0:  # another gateway was faster
            made.apply(NeighbourContact("gw-b", phone.device, f"gw-b.{step:016x}", "flat-white"))
        made.pass_time(draws.randrange(1, 2 * HOUR_MS))
        made.apply(
            Reading("weather-1", "temperature", draws.uniform(-5.0, 25.0)), Reading("weather-1", "precipitation", draws.choice((0.0, 2.0)))
        )
        made.apply(phone.near(anchor))
        made.clock.advance(1_000)
        decisions = made.apply(phone.near(anchor)).decisions.made
        for _ in range(draws.choice((0, 16))):
            made.pass_time(40_000)
            decisions += made.apply(phone.near(anchor)).decisions.made
        for decision in decisions:
            if decision.offer is not None and draws.random() < 0.6:
                made.apply(phone.answer(decision.id, "shown"), phone.answer(decision.id, draws.choice(("accepted", "dismissed"))))
            if decision.offer is not None and draws.random() < 0.2:
                made.apply(purchase("till-bar", step, 500, decision=decision.id))
    return made


def again(gateway: Gateway, made: Campaign, scores: dict[str, float] = SCORES) -> tuple[Replayed, WhatIf]:
    with gateway.reader() as reader:
        found = replayed(reader, site_of(made), TableScorer(scores), gateway.site.plan, 0, gateway.clock.now_ms(), lambda: None)
    return found, figures(found, made, (), "EUR")


def test_the_same_campaign_makes_the_same_decisions_bit_for_bit(gateway: Gateway) -> None:
    """Reasons, arms, scored rows and caps."""
    found, report = again(gateway, gateway.site.campaign)
    assert report.same == 1.0
    assert (report.policies, report.policy) == (("plain-1",), "plain-1")
    assert report.differences == ()
    reasons = Counter(moment.before.reason for moment in found.moments)
    assert {"chosen", "held_out", "cool_down", "cap_person_day"} <= set(reasons)
    compared = 0
    for moment in found.moments:
        assert (moment.before.reason, moment.before.arm) == (moment.after.reason, moment.after.arm), moment.before.id
        before = [(one.offer, one.features, one.propensity) for one in moment.before.candidates if one.features]
        after = [(one.offer, one.features, one.propensity) for one in moment.after.candidates if one.features]
        assert before == after, moment.before.id
        compared += bool(before)
    assert compared > 120


def test_people_without_a_history_are_left_out_and_counted(gateway: Gateway) -> None:
    found, report = again(gateway, gateway.site.campaign)
    with gateway.reader() as reader:
        decisions = reader.decisions_between(0, 2**62)
    assert report.people == 9
    assert report.moments < decisions
    assert found.left_out[NO_HISTORY] == 0, "people without consent to learning have no decisions to replay"


def test_a_stricter_cap_is_hit_more_often_and_spends_less(gateway: Gateway) -> None:
    _, plain = again(gateway, gateway.site.campaign)
    strict = replace(gateway.site.campaign, policy=replace(gateway.site.campaign.policy, per_person_day_max=1))
    _, report = again(gateway, strict)
    (cap,) = [one for one in report.caps if one.reason == "cap_person_day"]
    assert cap.now > cap.logged
    assert report.contact_cost < plain.contact_cost
    assert ("offer", "cap_person_day") in {(one.logged, one.now) for one in report.differences}
    assert sum(one.moments for one in report.differences) <= report.moments


def test_a_budget_is_never_overspent(gateway: Gateway) -> None:
    offers = tuple(replace(one, budget_minor=1_000, cost_minor=100) for one in gateway.site.campaign.offers)
    _, report = again(gateway, replace(gateway.site.campaign, offers=offers))
    (spent,) = [one for one in report.caps if one.reason == "budget_spent"]
    assert (spent.logged, spent.now > 0) == (0, True)
    assert report.expected_cost <= 1_000 * len(offers)


def test_a_new_offer_takes_the_moments_that_it_wins(gateway: Gateway) -> None:
    new = offer("espresso", zones=("cafe", "bar", "station"), value_minor=5_000, per_person_day_max=3)
    _, report = again(gateway, replace(gateway.site.campaign, offers=(*gateway.site.campaign.offers, new)))
    counts = {one.offer: (one.logged, one.now) for one in report.offers}
    assert counts["espresso"][0] == 0
    assert counts["espresso"][1] > 0
    assert ("offer", "another offer") in {(one.logged, one.now) for one in report.differences}
    assert report.effect.estimates is None
    assert "no exploration in the log" in report.effect.refused[0]


def test_a_log_that_explores_is_replayed_without_learning(tmp_path: Path) -> None:
    """The log states true probabilities, so the refusal is of the support, not of the exploration."""
    gateway = run(tmp_path, 200, learn=True, contact_cost_minor=0.0)
    plain = replace(gateway.site.campaign, policy=replace(gateway.site.campaign.policy, learn=False))
    found, report = again(gateway, plain)
    assert (report.policies, report.policy) == (("learned-1",), "plain-1")
    assert any(moment.before.p_select < 1.0 for moment in found.moments)
    assert report.effect.estimates is None
    assert not any("no exploration" in reason for reason in report.effect.refused)
    assert any("effective sample size" in reason for reason in report.effect.refused)


# --- the effect, on logs of known truth --------------------------------------------------------------------

TAKEN = {"flat-white": 0.2, "happy-hour": 0.4}
WORTH = {"flat-white": 500, "happy-hour": 800}


def moments(seed: int, rows: int, now: str, p_select: float = 0.5) -> list[Moment]:
    """A log that chose evenly between two offers, and a campaign that always chooses `now`."""
    draws = np.random.default_rng(seed)
    found = []
    for row in range(rows):
        logged = "flat-white" if draws.random() < 0.5 else "happy-hour"
        answer: AnswerKind | None = "accepted" if draws.random() < TAKEN[logged] else None
        decisions = [
            Decision(f"gw.{row}", "s", "station", "entered", row, id_, CHOSEN.reason, (Candidate(id_, CHOSEN.reason, 0.3, 1.0),))
            for id_ in (logged, now)
        ]
        before = replace(decisions[0], p_select=p_select, arm="sent", intended=logged)
        found.append(Moment(row // 5, before, answer, is_closed=True, after=replace(decisions[1], arm="sent", intended=now)))
    return found


def test_the_effect_holds_the_truth() -> None:
    """The truth is 0.4 x 800 - 20 = 300 a moment; the log itself earns 0.5 x (0.2 x 500 + 0.4 x 800) - 20 = 190."""
    made = campaign(contact_cost_minor=20.0)
    inside: Counter[str] = Counter()
    for seed in range(40):
        found = effect(moments(seed, 2_000, "happy-hour"), made)
        assert found.refused == ()
        assert found.estimates is not None
        assert found.logged is not None
        inside["log"] += found.logged.low <= 190.0 <= found.logged.high
        for name in ("ips", "snips", "dr", "switch_dr"):
            one = getattr(found.estimates, name)
            inside[name] += one.low <= 300.0 <= one.high
    assert min(inside.values()) >= 34, inside


def test_an_effect_that_the_log_does_not_support_is_refused() -> None:
    made = campaign(contact_cost_minor=20.0)
    assert "no exploration in the log" in effect(moments(0, 500, "happy-hour", p_select=1.0), made).refused[0]
    unseen = effect(moments(0, 500, "second-cup"), made)
    assert unseen.estimates is None
    assert any("could not make 100.0% of the other policy's choices" in one for one in unseen.refused)
    few = effect(moments(0, 100, "happy-hour"), made)
    assert any("effective sample size" in one for one in few.refused)
    silent = [moment._replace(after=replace(moment.after, offer=None, intended=None, arm="")) for moment in moments(0, 10, "happy-hour")]
    assert "makes no offer in a moment whose outcome is known" in effect(silent, made).refused[0]


# --- the command -------------------------------------------------------------------------------------------

NEW = """
timezone = "Europe/Berlin"
currency = "EUR"

[policy]
contact_cost = "0.20 EUR"
quiet_hours = ["00:00", "00:00"]

[[offers]]
id = "{id}"
category = "coffee_house"
title = "A flat white"
zones = ["plaza"]
shop = "cafe"
margin = "5.00 EUR"
starts = "2020-01-01"
ends = "2020-02-01"
valid = "2 h"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A gateway that has offered something to three people."""
    path = write_config(tmp_path, files=make_bundle(tmp_path, tiny_campaign(holdout=0.0)))
    running = build(settings_of(path))
    for number in range(3):
        for message in walk_in(f"phone-{number:04}"):
            running.mailbox.deliver([message])
    running.turn(0.0)
    running.store.close()
    (tmp_path / "new.toml").write_text(NEW.format(id="cappuccino"), "utf-8")
    return path


def test_the_command_counts_and_names_no_person(config: Path) -> None:
    new = config.with_name("new.toml")
    result = wayside("what-if", "--campaign", new, "--config", config, "--json")
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)
    assert (report["moments"], report["people"], report["moved"]) == (3, 3, ["cappuccino"])
    assert {one["offer"]: (one["logged"], one["now"]) for one in report["offers"]} == {"flat-white": (3, 0), "cappuccino": (0, 3)}
    assert report["contact_cost"] == 60.0
    shown = wayside("what-if", "--campaign", new, "--config", config)
    assert shown.code == 0
    assert "As if live in the days of the log: cappuccino." in " ".join(shown.out.split())
    assert "No estimate of the effect: the campaign makes no offer in a moment whose outcome is known" in " ".join(shown.out.split())
    assert "phone-" not in result.out + shown.out


def test_bad_input_is_one_line(config: Path, tmp_path: Path) -> None:
    new = config.with_name("new.toml")
    assert "none.db does not exist yet" in wayside("what-if", "--campaign", new, "--config", config, "--log", tmp_path / "none.db").refusal(
        1
    )
    assert "cannot be read" in wayside("what-if", "--campaign", tmp_path / "none.toml", "--config", config).refusal(1)
    new.write_text(NEW.format(id="a b"), "utf-8")
    assert "new.toml:" in wayside("what-if", "--campaign", new, "--config", config).refusal(1)


def test_reasons_of_the_differences_are_reasons(gateway: Gateway) -> None:
    _, report = again(gateway, replace(gateway.site.campaign, policy=replace(gateway.site.campaign.policy, propensity_min=0.35)))
    names = {name for one in report.differences for name in (one.logged, one.now)}
    assert names - {"offer", "another offer"} <= set(REASONS)


# --- in a simulated city -----------------------------------------------------------------------------------

MALL = Path(__file__).parents[2] / "deploy" / "worlds" / "mall"


def test_a_campaign_with_less_contacts_in_the_simulated_mall(tmp_path: Path) -> None:
    """The mall's own campaign with a cap of one offer a day: fewer messages to the same people."""
    strict = tmp_path / "strict.toml"
    text = (MALL / "campaign.toml").read_text("utf-8")
    assert "[policy]\n" in text
    lines = [line for line in text.splitlines() if not line.startswith("per_person_day_max")]
    strict.write_text("\n".join(lines).replace("[policy]", "[policy]\nper_person_day_max = 1"), "utf-8")
    options = ("--simulate", "mall", "--days", 1, "--people", 30, "--seeds", 1, "--config", MALL / "gw-a.toml")
    result = wayside("what-if", "--campaign", strict, *options, "--json")
    assert (result.code, result.err) == (0, "")
    own, other = json.loads(result.out)["campaigns"]
    assert other["messages"]["high"] <= 1.0
    assert other["messages"]["value"] < own["messages"]["value"]
    assert 0.0 < other["accepted"]["value"] < own["accepted"]["value"]


def test_a_campaign_of_another_place_is_refused(config: Path) -> None:
    new = config.with_name("new.toml")
    assert "the world mall has no zone 'cafe'" in wayside("what-if", "--campaign", new, "--config", config, "--simulate", "mall").refusal(1)
