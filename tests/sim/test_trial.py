"""A campaign offer by offer in a simulated city: the counts add up, and a limit shows as the reason for silence."""

from __future__ import annotations

import json

import msgspec
import pytest
from typer.testing import CliRunner

from firmware_sim.cli import app
from firmware_sim.policies import baselines
from firmware_sim.policies.city import City
from firmware_sim.policies.run import run
from firmware_sim.policies.site import Shop, open_shop
from firmware_sim.policies.trial import TrialError, trial
from firmware_sim.scenario import load
from gateway.core.offers import Campaign
from tests.house import tree

BUNDLE, KEY = tree.ROOT / "deploy/worlds/street/street.bundle", tree.ROOT / "deploy/worlds/street/bundle.pub"
SIZE = {"days": 1, "people": 20, "seeds": 2}


@pytest.fixture(scope="module")
def shop() -> Shop:
    return open_shop(load("street"), BUNDLE, KEY, 1)


def changed(shop: Shop, campaign: Campaign) -> Shop:
    return shop._replace(site=msgspec.structs.replace(shop.site, campaign=campaign))


def test_the_counts_are_those_of_the_policy_itself(shop: Shop) -> None:
    *progress, found = trial(load("street"), [shop], **SIZE)
    assert progress == [{"done": 1, "of": 2}, {"done": 2, "of": 2}]
    cities = [City(load("street"), seed=seed, days=1, people=20, dwelled_s=shop.site.presence.dwell_ms / 1000) for seed in (0, 1)]
    sent = [run(city, shop, baselines.Shipped()) for city in cities]
    offers = found["campaigns"][0]["offers"]
    assert sum(one["messages"] for one in offers.values()) == sum(map(len, sent)) > 0
    assert sum(one["accepted"] for one in offers.values()) == pytest.approx(sum(one.acceptance for each in sent for one in each), abs=0.01)
    assert found["people"] == sum(len(city.walkers) for city in cities)
    assert all(one["reasons"].get("chosen", 0) == one["messages"] for one in offers.values())


def test_a_cap_of_nothing_is_the_reason_and_a_new_offer_has_a_known_effect(shop: Shop) -> None:
    campaign = shop.site.campaign
    first = campaign.offers[0]
    none = msgspec.structs.replace(first, per_person_day_max=0)
    new = msgspec.structs.replace(first, id="spring-tea")
    draft = changed(shop, msgspec.structs.replace(campaign, offers=(none, new, *campaign.offers[1:])))
    *_, found = trial(load("street"), [shop, draft], **SIZE)
    before, after = (one["offers"] for one in found["campaigns"])
    assert before[first.id]["messages"] > 0
    assert after[first.id]["messages"] == 0
    assert after[first.id]["reasons"]["cap_offer_day"] > 0
    assert after["spring-tea"]["messages"] > 0
    assert found["stands_for"] == {"spring-tea": first.id}


def test_an_offer_of_a_shop_without_offers_is_refused(shop: Shop) -> None:
    offer = msgspec.structs.replace(shop.site.campaign.offers[0], id="ticket", shop="station")
    draft = changed(shop, msgspec.structs.replace(shop.site.campaign, offers=(offer,)))
    with pytest.raises(TrialError, match=r"'ticket' leads to 'station'.*cafe"):
        list(trial(load("street"), [draft], **SIZE))


def test_the_command_prints_progress_and_figures() -> None:
    arguments = ["trial", "--bundle", str(BUNDLE), "--key", str(KEY), "--days", "1", "--people", "10", "--seeds", "1"]
    lines = CliRunner().invoke(app, [*arguments, "--json"]).stdout.splitlines()
    assert json.loads(lines[0]) == {"done": 1, "of": 1}
    assert set(json.loads(lines[1])["campaigns"][0]["offers"]) >= {"flat-white", "market-dinner"}
    assert "acceptances" in CliRunner().invoke(app, arguments).stdout
