"""The comparison of policies: the same people for every policy, true values, known figures, and one page."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from firmware_sim.cli import app
from firmware_sim.draws import generator
from firmware_sim.people.counterfactual import baseline_purchases, own_purchase
from firmware_sim.policies import baselines, figures, learned, oracle, page
from firmware_sim.policies.city import City
from firmware_sim.policies.figures import OfferFigures, Summary, calibration_error, rows
from firmware_sim.policies.run import Choice, Closed, Sent, Situation, run
from firmware_sim.policies.site import Model, Shop, made_campaign, open_shop
from firmware_sim.scenario import load
from gateway.core.learning.types import Settings
from tests.house import tree

BUNDLE, KEY = tree.ROOT / "deploy/worlds/street/street.bundle", tree.ROOT / "deploy/worlds/street/bundle.pub"
DAYS = 2


@pytest.fixture(scope="module")
def shop() -> Shop:
    return open_shop(load("street"), BUNDLE, KEY, DAYS)


@pytest.fixture(scope="module")
def city() -> City:
    return City(load("street"), seed=1003, days=DAYS, people=40, dwelled_s=60.0)


def margin(sent: list[Sent]) -> float:
    return sum(one.gain_minor for one in sent)


def test_a_policy_meets_the_same_city_again(city: City, shop: Shop) -> None:
    first = run(city, shop, baselines.Thompson())
    assert len(first) > 50
    run(city, shop, baselines.Random())
    assert run(city, shop, baselines.Thompson()) == first


def test_silence_earns_nothing_and_the_oracle_most(city: City, shop: Shop) -> None:
    assert run(city, shop, baselines.Silence()) == []
    others = [baselines.Random(), baselines.Propensity(), baselines.Shipped()]
    assert margin(run(city, shop, oracle.Oracle())) > max(margin(run(city, shop, policy)) for policy in others)


def test_learning_is_repeatable(city: City, shop: Shop) -> None:
    sent = run(city, shop, learned.Learned(Settings(horizon_ms=1_200_000)))
    assert len(sent) > 50
    assert run(city, shop, learned.Learned(Settings(horizon_ms=1_200_000))) == sent


class Reversed(Model):
    """The bundle's model with its scores reversed: people who would take an offer score low."""

    def __init__(self, model: Model) -> None:
        self.score, self.untreated = (lambda rows: 1.0 - model.score(rows)), model.untreated
        self.version = "reversed"


@pytest.mark.soak
def test_learning_corrects_a_wrong_model(shop: Shop) -> None:
    """On the fourth day the error of the propensities, of a hundred messages, is below .75 of that of the model (.72, .73 by seed)."""
    shop = shop._replace(model=Reversed(shop.model))
    city = City(load("street"), seed=1005, days=4, people=120, dwelled_s=60.0)

    def error(sent: list[Sent]) -> float:
        return float(np.mean([abs(one.propensity - one.acceptance) for one in sent if one.propensity is not None and one.day == 3]))

    assert error(run(city, shop, learned.Learned(Settings(horizon_ms=1_200_000)))) < 0.75 * error(run(city, shop, baselines.Propensity()))


def test_prospects_of_the_oracle_have_a_closed_form() -> None:
    """Ten equal moments with gain 50 and acceptance .5: each message ends it with .5 x P(dismissed) = q, so 50 / q x (1 - exp(-10 q)).

    An offer that may not be sent has none, and one message a day at most of ten moments a day brings 50 without dismissals.
    """
    lost = 0.5 * oracle.DISMISSED
    acceptance, gain = np.full((10, 2), 0.5), np.column_stack((np.full(10, 50.0), np.full(10, oracle.NEVER_MINOR)))
    found = oracle.prospects(acceptance, gain, np.full(2, 1e9), 30.0)
    assert found[0].tolist() == [0.0, 0.0]
    assert found[-1] == pytest.approx([50.0 / lost * (1.0 - math.exp(-10.0 * lost)), 0.0], rel=0.02)
    assert oracle.prospects(np.ones((10, 2)), gain, np.ones(2), 1.0)[-1, 0] == pytest.approx(50.0 * (1.0 - math.exp(-10.0)))


def test_a_higher_cost_of_a_contact_sends_fewer_messages(city: City) -> None:
    cheap, dear = (open_shop(load("street"), BUNDLE, KEY, 2, cost) for cost in (0.0, 400.0))
    assert dear.site.campaign.policy.contact_cost_minor == 400.0
    assert len(run(city, dear, baselines.Shipped())) < len(run(city, cheap, baselines.Shipped()))


def test_caps_gaps_and_zones_hold_for_every_policy(city: City, shop: Shop) -> None:
    policy = shop.site.campaign.policy

    class Watched(baselines.Random):
        def choose(self, here: Situation) -> Choice | None:
            choice = super().choose(here)
            if choice is not None:
                assert here.request.zone in here.offers[choice.position].zones
                contacts = here.request.subject.contacts
                assert all(here.request.now_ms - contact.at_ms >= policy.gap_s_min * 1000 for contact in contacts)
            return choice

    sent = run(city, shop, Watched())
    by_day = {(one.person, one.day): 0 for one in sent}
    for one in sent:
        by_day[one.person, one.day] += 1
    assert max(by_day.values()) == policy.per_person_day_max


def test_outcomes_come_when_the_window_has_closed_and_fit_the_truth(city: City, shop: Shop) -> None:
    """A window is closed once, after its offer's hours; the taken share equals the true acceptance within its standard error."""
    closed: list[tuple[Closed, int]] = []
    now_ms = 0

    class Listening(baselines.Random):
        def choose(self, here: Situation) -> Choice | None:
            nonlocal now_ms
            now_ms = here.request.now_ms
            return super().choose(here)

        def learn(self, closed_: Closed) -> None:
            closed.append((closed_, now_ms))

    sent = run(city, shop, Listening())
    offers = shop.site.campaign.offers
    last_ms = city.world.start_ms + round(city.moments[-1].street_s * 1000)
    due = [one for one, _ in closed if one.sent_ms + offers[one.choice.position].expiry_hours * 3_600_000 <= last_ms]
    assert len(due) == len(closed) > 50
    # The window closes before the first moment after its end, so the moment before it may be earlier than the end.
    assert all(at_ms >= one.sent_ms for one, at_ms in closed)
    truth = sum(one.acceptance for one in sent[: len(closed)])
    spread = math.sqrt(sum(one.acceptance * (1 - one.acceptance) for one in sent[: len(closed)]))
    assert sum(one.taken for one, _ in closed) == pytest.approx(truth, abs=4 * spread + 5)
    assert {one.ended for one, _ in closed} == {"redeemed", "accepted", "dismissed", "none"}


def test_own_purchase_has_the_mean_of_the_rollouts() -> None:
    """The same counterfactual, once along the real stays and once by rollouts: their means agree within four standard errors."""
    city = City(load("mall"), seed=1004, days=2, people=120, dwelled_s=60.0)
    differences = []
    for moment in city.moments[::20]:
        walker = city.walkers[moment.person]
        expected = baseline_purchases(walker, moment.street_s, generator(1, "rollouts", moment.person), 8)
        differences.append(sum(own_purchase(walker, shop, moment.street_s) - expected[shop] for shop in expected))
    assert len(differences) > 200
    assert abs(np.mean(differences)) < 4 * np.std(differences) / math.sqrt(len(differences))


def test_a_campaign_made_from_a_scenario_knows_the_margins() -> None:
    """The street's own campaign states the same margins, by the formula of `made_campaign`."""
    plan = load("street")
    made = {offer.id: offer.value_minor for offer in made_campaign(plan).offers}
    assert made == {offer.id: offer.value_minor for offer in open_shop(plan, BUNDLE, KEY, 1).site.campaign.offers}


# --- figures ---------------------------------------------------------------------------------------------------


def test_calibration_error_of_known_propensities() -> None:
    """Ten rows at .25 with truth .15 and thirty at .85 with truth .95: (10 x .1 + 30 x .1) / 40 = .1; opposite errors in one bin cancel."""
    stated, true = np.array([0.25] * 10 + [0.85] * 30), np.array([0.15] * 10 + [0.95] * 30)
    assert calibration_error(stated, true) == pytest.approx(0.1)
    assert calibration_error(np.array([0.5, 0.5]), np.array([0.2, 0.8])) == pytest.approx(0.0)


def of(margin_minor: float, messages: float = 1.0) -> Summary:
    return Summary(margin_minor, 1.0, messages, None, None, 0.0, 1.0, 0.0, (margin_minor,))


def test_ratios_and_regret_are_paired_by_seed() -> None:
    """A policy with exactly twice the margin of each seed has a ratio of 2 without spread, however much the seeds differ."""
    plain, double = [of(10.0), of(30.0), of(90.0)], [of(20.0), of(60.0), of(180.0)]
    found = {row.policy: row for row in rows({figures.REFERENCE: plain, "double": double, figures.CEILING: double})}
    assert found["double"].margin_ratio == pytest.approx((2.0, 2.0, 2.0))
    assert found["double"].margin_minor.low < 60.0 < found["double"].margin_minor.high
    assert found["double"].regret_days[-1] == pytest.approx((0.0, 0.0, 0.0))
    assert found[figures.REFERENCE].regret_days[-1].mean == pytest.approx(130 / 3)


def test_shares_of_an_offer_are_of_all_messages() -> None:
    """One seed with 1 message, accepted, and one with 3, of which none was accepted and two had no chance: 2 messages, .25 and .5."""
    runs = [
        of(10.0)._replace(offers=(OfferFigures("tea", 1.0, 1.0, 10.0, 0.0),)),
        of(0.0)._replace(offers=(OfferFigures("tea", 3.0, 0.0, 0.0, 2 / 3),)),
    ]
    (row,) = rows({"plain": runs})
    (found,) = row.offers
    assert found[1:] == pytest.approx((2.0, 0.25, 5.0, 0.5))


# --- command ---------------------------------------------------------------------------------------------------


def call(*options: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["policies", "--days", "1", "--people", "20", *options])
    return done.exit_code, done.stdout, done.stderr


def test_labels_at_the_end_of_curves_do_not_overlap() -> None:
    found = page._apart([10.0, 318.0, 11.0, 320.0])
    assert found == [10.0, 308.0, 22.0, 320.0]


def test_ticks_are_round() -> None:
    assert page._steps(0.0, 2_114.0) == [0.0, 500.0, 1_000.0, 1_500.0, 2_000.0]
    assert page._steps(-30.0, 1.0) == [-30.0, -25.0, -20.0, -15.0, -10.0, -5.0, 0.0]


def test_the_command_writes_a_page_and_json(tmp_path: Path) -> None:
    chosen = [part for name in ("propensity", "random", "oracle") for part in ("--policy", name)]
    code, out, err = call("--world", "station", "--seeds", "2", "--develop", "--out", str(tmp_path), "--json", *chosen)
    assert code == 0, err
    report = json.loads(out)
    assert report["seeds"] == [1000, 1001]
    assert [row["policy"] for row in report["policies"]] == ["propensity", "random", "oracle"]
    assert report["policies"][0]["margin_ratio"]["mean"] == 1.0
    for row in report["policies"]:
        assert sum(one["messages"] for one in row["offers"]) == pytest.approx(row["messages"]["mean"])
        assert sum(one["messages"] * one["accepted"] for one in row["offers"]) == pytest.approx(row["accepted"]["mean"])
        assert sum(one["margin_minor"] for one in row["offers"]) == pytest.approx(row["margin_minor"]["mean"])
    written = (tmp_path / "policies-station.html").read_text("utf-8")
    assert written.count("<svg") == 2
    assert "http" not in written.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--policy", "oracel"), "'oracle'"),
        (("--world", "streat"), "street"),
        (("--key", str(tree.ROOT / "LICENSE")), "street.bundle"),
        (("--world", "station", "--bundle", str(BUNDLE)), "no category"),
    ],
)
def test_wrong_use_names_cause_and_way_out(options: tuple[str, ...], told: str) -> None:
    code, _, err = call("--seeds", "1", *options)
    assert code == 2
    assert told in err
