"""Campaign files: known answers of the units, each fault by its path, and offers that can never be sent."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from gateway.adapters.bundle import campaign_bytes, open_bundle, parse_campaign, read_public_keys
from gateway.adapters.toml_files import TomlFileError, load_campaign, load_schema
from gateway.core.campaign import units
from gateway.core.campaign.compile import CampaignError, compile_campaign
from gateway.core.campaign.never import never_sent
from gateway.core.campaign.triggers import WEEKDAYS, EventFilter, Schedule, Threshold
from gateway.core.campaign.wording import pressure
from gateway.core.creatives import Creative
from gateway.core.offers import Cap, Ignored, Ranking

DEMO = Path(__file__).parents[2] / "deploy" / "worlds" / "street"
BERLIN = ZoneInfo("Europe/Berlin")
NOW_MS = 1_798_761_600_000  # 2027-01-01
TABLE: dict[str, Any] = tomllib.loads("""
timezone = "Europe/Berlin"
currency = "EUR"

[policy]
contact_cost = "0.20 EUR"
quiet_hours = ["21:30", "08:00"]
gap = "2 h"

[sign_off]
approver = "marketing"
may_offend = false
may_harm = false
uses_misfortune = false

[[offers]]
id = "tea"
category = "tea"
title = "A pot of tea"
zones = ["garden"]
shop = "garden"
margin = "1.90 EUR"
starts = 2027-03-01
ends = "2027-03-28"
valid = "2 h"
""")


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    table = copy.deepcopy(TABLE)
    change(table)
    return table


def offer(**fields: object) -> dict[str, Any]:
    return changed(lambda table: table["offers"][0].update(fields))


def cap(**fields: object) -> dict[str, Any]:
    return changed(lambda table: table["policy"].update(caps=[fields]))


def test_a_campaign_file_is_compiled() -> None:
    campaign = compile_campaign(TABLE)
    (tea,) = campaign.offers
    assert (tea.value_minor, tea.expiry_hours, tea.per_person_day_max) == (190, 2.0, 1)
    assert datetime.fromtimestamp(tea.starts_ms / 1_000, BERLIN).isoformat() == "2027-03-01T00:00:00+01:00"
    # The last day is included, and the clock goes forward on it: 28 March 2027 has 23 hours.
    assert datetime.fromtimestamp(tea.ends_ms / 1_000, UTC).isoformat() == "2027-03-28T22:00:00+00:00"
    policy = campaign.policy
    assert (policy.contact_cost_minor, policy.quiet_from, policy.quiet_until, policy.gap_s_min) == (20.0, 1_290, 480, 7_200)
    assert (policy.per_person_day_max, policy.trigger_expiry_s) == (4, 120)
    assert parse_campaign(campaign_bytes(campaign)) == campaign


def test_triggers_of_an_offer() -> None:
    table = offer(
        occasions=["scheduled", "reading", "event"],
        times=["08:00", "23:59"],
        weekdays=["sa", "su"],
        threshold={"quantity": "temperature", "at_least": 25, "hysteresis": 1},
        event={"type": "train.late", "source": "/trains", "expires": "3 h"},
    )
    (tea,) = compile_campaign(table).offers
    assert tea.schedule == Schedule((480, 1_439), ("sa", "su"))
    assert tea.threshold == Threshold("temperature", at_least=25.0, hysteresis=1.0)
    assert tea.event == EventFilter("train.late", "/trains", 10_800)
    campaign = compile_campaign(offer(occasions=["scheduled"], times=["08:00"]))
    assert campaign.offers[0].schedule == Schedule((480,), WEEKDAYS)
    assert parse_campaign(campaign_bytes(campaign)) == campaign


def trigger(**fields: object) -> dict[str, Any]:
    """The fields of an offer with a threshold of `fields`."""
    return {"occasions": ["reading"], "threshold": {"quantity": "temperature", "at_least": 25} | fields}


EVENT = {"type": "train.late", "source": "/trains", "expires": "3 h"}


@pytest.mark.parametrize(
    ("fields", "path", "why"),
    [
        ({"occasions": ["scheduled"]}, "offers[0].occasions", "the occasion 'scheduled' needs times"),
        ({"occasions": ["reading"]}, "offers[0].occasions", "needs threshold"),
        ({"occasions": ["event"]}, "offers[0].occasions", "needs event"),
        ({"times": ["08:00"]}, "offers[0].times", "no effect: add 'scheduled' to occasions"),
        ({"weekdays": ["mo"]}, "offers[0].weekdays", "the days of times, which are missing"),
        ({"occasions": ["scheduled"], "times": ["24:00"]}, "offers[0].times", "is not a local time of day"),
        ({"occasions": ["scheduled"], "times": ["08:00", "08:00"]}, "offers[0].times", "'08:00' is listed twice"),
        ({"occasions": ["scheduled"], "times": ["08:00"], "weekdays": ["mon"]}, "offers[0].weekdays", "did you mean 'mo'?"),
        ({"occasions": ["entred"]}, "offers[0].occasions", "did you mean 'entered'?"),
        (trigger(quantity="temprature"), "offers[0].threshold.quantity", "did you mean 'temperature'?"),
        (trigger(at_most=30), "offers[0].threshold", "either at_least or at_most"),
        (trigger(at_least=900), "offers[0].threshold.at_least", "it can never be crossed"),
        (trigger(hysteresis=-1), "offers[0].threshold.hysteresis", ">= 0.0"),
        ({"during_incident": True}, "offers[0].during_incident", 'only a service message is sent during an incident: kind = "service"'),
        ({"event": EVENT}, "offers[0].event", "add 'event' to occasions"),
        ({"occasions": ["event"], "event": {**EVENT, "expires": "73 h"}}, "offers[0].event.expires", "from 1 to 259200 s"),
        ({"occasions": ["event"], "event": {"type": "train.late", "expires": "3 h"}}, "offers[0].event.source", "required"),
        ({"occasions": ["event"], "event": {"type": "train.late", "source": "/trains"}}, "offers[0].event.expires", "required"),
    ],
)
def test_a_trigger_that_cannot_work_is_refused(fields: dict[str, Any], path: str, why: str) -> None:
    with pytest.raises(CampaignError) as refusal:
        compile_campaign(offer(**fields))
    assert path in str(refusal.value)
    assert why in str(refusal.value)


def creative(**fields: object) -> dict[str, Any]:
    return offer(creatives=[{"title": "Tee", "language": "de"} | fields])


@pytest.mark.parametrize(
    ("table", "path", "why"),
    [
        (creative(placement="notificaton"), "offers[0].creatives[0].placement", "did you mean 'notification'?"),
        (creative(language="German"), "offers[0].creatives[0].language", "is not a language code"),
        (creative(title="Nur heute: Tee"), "offers[0].creatives[0].title", "'Nur heute' is a wording of urgency"),
        (creative(body="Nein danke, ich zahle lieber mehr"), "offers[0].creatives[0].body", "confirm-shaming"),
        (creative(placement="counter", title="x" * 61), "offers[0].creatives[0].title", "61 characters; a counter has room for 60"),
        (creative(body="a b " * 30), "offers[0].creatives[0].body", "takes 15.25 s to read with its title"),
        (offer(body="a b " * 30), "offers[0].body", "a notification has the attention of 15 s"),
        (offer(occasions=["requested"], body="x" * 121), "offers[0].body", "121 characters; a counter has room for 120"),
        (offer(creatives=[{"title": "Tee", "language": "de"}] * 2), "offers[0].creatives[1]", "the same placement and language"),
        (offer(creatives=[{"title": "Tea"}]), "offers[0].creatives[0]", "a creative states a placement or a language"),
    ],
)
def test_a_wording_that_cannot_be_used_is_refused(table: dict[str, Any], path: str, why: str) -> None:
    with pytest.raises(CampaignError) as refusal:
        compile_campaign(table)
    assert path in str(refusal.value)
    assert why in str(refusal.value)


def test_a_wording_for_the_counter_relieves_the_default_one() -> None:
    table = offer(occasions=["requested"], body="x" * 121, creatives=[{"title": "Tea", "placement": "counter"}])
    (tea,) = compile_campaign(table).offers
    assert tea.creatives == (Creative("Tea", placement="counter"),)


def test_a_service_message_needs_no_margin() -> None:
    campaign = compile_campaign(offer(kind="service", during_incident=True, margin="0 EUR"))
    assert (campaign.offers[0].kind, campaign.offers[0].during_incident) == ("service", True)
    assert not never_sent(campaign, None, NOW_MS)
    assert never_sent(compile_campaign(offer(margin="0 EUR")), None, NOW_MS)


def test_an_offer_for_events_needs_an_approver() -> None:
    table = offer(occasions=["event"], event=EVENT)
    assert compile_campaign(table).offers[0].event is not None
    del table["sign_off"]
    with pytest.raises(CampaignError, match=r"offers\[0\].event: 'tea' answers an external event, so the campaign needs an approver"):
        compile_campaign(table)


def test_windows_of_the_contact_policy() -> None:
    table = changed(
        lambda table: table["policy"].update(
            refusal="10 d",
            caps=[{"per": "category", "most": 3, "within": "7 d"}],
            ignored=[{"per": "offer", "times": 2, "within": "30 d", "silent": "60 d"}],
            per_person_day_max=2,
        )
    )
    policy = compile_campaign(table).policy
    assert (policy.refusal_s, policy.caps) == (864_000, (Cap("category", 3, 604_800),))
    assert policy.ignored == (Ignored("offer", 2, 2_592_000, 5_184_000),)
    assert policy.days_back == 90


@pytest.mark.parametrize(
    ("policy", "path", "why"),
    [
        ({"ranking": {"propensity": 0.0, "margin": 0.0}}, "policy.ranking", "all weights are 0"),
        ({"ranking": {"propensity": 1.5, "margin": 0.0}}, "policy.ranking.propensity", "<= 1.0"),
        ({"ranking": {"margin": 0.5}}, "policy.ranking.propensity", "required"),
        ({"ranking": {"propensity": 0.5, "margin": 0.5}, "learn": True}, "policy.ranking", "leave out one of the two"),
    ],
)
def test_a_ranking_that_cannot_rank_is_refused(policy: dict[str, Any], path: str, why: str) -> None:
    table = offer()
    with pytest.raises(CampaignError) as refusal:
        compile_campaign(table | {"policy": table["policy"] | policy})
    assert path in str(refusal.value)
    assert why in str(refusal.value)


def test_a_ranking_has_weights_and_v() -> None:
    table = offer()
    found = compile_campaign(table | {"policy": table["policy"] | {"ranking": {"propensity": 0.6, "margin": 0.3, "novelty": 0.1}}})
    assert found.policy.ranking == Ranking(0.6, 0.3, 0.1, 0.5)
    assert parse_campaign(campaign_bytes(found)) == found


def test_holdout_learning_and_horizons() -> None:
    plain = compile_campaign(TABLE)
    assert (plain.policy.holdout, plain.policy.learn, plain.policy.anyway_s) == (0.05, False, 3_600)
    assert [one.horizon_ms for one in plain.offers] == [int(one.expiry_hours * 3_600_000) for one in plain.offers]
    stated = {"holdout": 0.0, "learn": True, "anyway": "90 s", "buying_share": 0.4}
    found = compile_campaign(changed(lambda table: (table["policy"].update(stated), table["offers"][0].update(horizon="45 s"))))
    assert (found.policy.holdout, found.policy.learn, found.policy.anyway_s, found.policy.buying_share) == (0.0, True, 90, 0.4)
    assert found.offers[0].horizon_ms == 45_000
    assert found.policy.digest != plain.policy.digest == compile_campaign(TABLE).policy.digest
    assert parse_campaign(campaign_bytes(found)) == found
    long = changed(lambda table: (table["policy"].update(refusal="1 d"), table["offers"][0].update(horizon="5 d")))
    assert compile_campaign(long).days_back == 5, "a decision is kept until its outcome is known"


def test_the_bundle_of_the_demonstration_holds_its_campaign_file() -> None:
    bundle = open_bundle(DEMO / "street.bundle", read_public_keys(DEMO / "bundle.pub"), None)
    assert load_campaign(DEMO / "campaign.toml", load_schema(DEMO / "schema.toml")).campaign == bundle.campaign


@pytest.mark.parametrize(
    ("money", "currency", "minor"),
    [("1.90 EUR", "EUR", 190), ("1.9 EUR", "EUR", 190), ("0 EUR", "EUR", 0), ("250 JPY", "JPY", 250), ("1.234 KWD", "KWD", 1_234)],
)
def test_money_in_minor_units(money: str, currency: str, minor: int) -> None:
    assert units.minor_units(money, currency) == minor


@pytest.mark.parametrize(
    ("money", "currency", "why"), [("1.90 USD", "EUR", "not in EUR"), ("1.999 EUR", "EUR", "3 digits"), ("0.5 JPY", "JPY", "JPY has 0")]
)
def test_impossible_money_is_refused(money: str, currency: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        units.minor_units(money, currency)


@pytest.mark.parametrize(
    ("day", "end", "utc"),
    [
        ("2027-01-31", False, "2027-01-30T23:00:00+00:00"),
        ("2027-01-31", True, "2027-01-31T23:00:00+00:00"),
        ("2027-01-31T10:30", True, "2027-01-31T09:30:00+00:00"),
        ("2027-10-31", True, "2027-10-31T23:00:00+00:00"),  # 25 hours long
        ("2028-02-29", False, "2028-02-28T23:00:00+00:00"),
    ],
)
def test_instants_of_local_days(day: str, end: bool, utc: str) -> None:  # noqa: FBT001
    assert datetime.fromtimestamp(units.instant_ms(day, BERLIN, end=end) / 1_000, UTC).isoformat() == utc


@pytest.mark.parametrize(
    ("table", "path", "why"),
    [
        (changed(lambda table: table.update(timezone="Europe/Berln")), "timezone", "did you mean 'Europe/Berlin'?"),
        (changed(lambda table: table.pop("currency")), "currency", "required"),
        (changed(lambda table: table["policy"].update(gap="10 minutes")), "policy.gap", "is not a duration, such as"),
        (changed(lambda table: table["policy"].update(gap="2 d")), "policy.gap", "from 0 to 86400 s"),
        (changed(lambda table: table["policy"].update(gapp="2 h")), "policy.gapp", "did you mean 'gap'?"),
        (changed(lambda table: table["policy"].update(quiet_hours=["24:00", "07:00"])), "policy.quiet_hours", "is not a local time of day"),
        (changed(lambda table: table["policy"].update(quiet_hours=["22:00"])), "policy.quiet_hours", "length 2"),
        (changed(lambda table: table["policy"].update(per_person_day_max=-1)), "policy.per_person_day_max", ">= 0"),
        (changed(lambda table: table["policy"].update(trigger_expiry="0 s")), "policy.trigger_expiry", "from 1 to 3600 s"),
        (changed(lambda table: table["policy"].update(contact_cost="0.20 USD")), "policy.contact_cost", "not in EUR"),
        (changed(lambda table: table["policy"].update(refusal="0 d")), "policy.refusal", "from 1 to"),
        (
            changed(lambda table: table["policy"].update(caps=[{"per": "ofer", "most": 1, "within": "7 d"}])),
            "policy.caps[0].per",
            "'offer'",
        ),
        (
            changed(lambda table: table["policy"].update(caps=[{"per": "shop", "most": 1, "within": "0 d"}])),
            "policy.caps[0].within",
            "from 1 to",
        ),
        (
            changed(lambda table: table["policy"].update(ignored=[{"per": "offer", "times": 2, "within": "60 d", "silent": "60 d"}])),
            "policy.ignored",
            "looks back 120 days",
        ),
        (changed(lambda table: table["policy"].update(per_person_day_max=9)), "policy.per_person_day_max", "9 a day over 30 days"),
        (changed(lambda table: table["sign_off"].pop("may_harm")), "sign_off.may_harm", "required"),
        (changed(lambda table: table["sign_off"].update(may_harm=True)), "sign_off.second_approver", "name a second approver"),
        (
            changed(lambda table: table["sign_off"].update(may_harm=True, second_approver="Marketing ")),
            "sign_off.second_approver",
            "another person",
        ),
        (changed(lambda table: table["offers"].append(TABLE["offers"][0])), "offers[1].id", "also the id of offers[0]"),
        (changed(lambda table: table.update(offers=[])), "offers", "length >= 1"),
        (offer(starts="2027-03-29"), "offers[0].ends", "not after the start"),
        (offer(ends="2027-02-30"), "offers[0].ends", "no date of the calendar"),
        (offer(starts="1.3.2027"), "offers[0].starts", "is not a day, or a local date and time, such as"),
        (offer(valid="32 d"), "offers[0].valid", "from 1 to"),
        (offer(horizon="0 s"), "offers[0].horizon", "from 1 to"),
        (changed(lambda table: table["policy"].update(holdout=0.6)), "policy.holdout", "<= 0.5"),
        (changed(lambda table: table["policy"].update(anyway="2 d")), "policy.anyway", "from 1 to 86400 s"),
        (offer(margin="1,90 EUR"), "offers[0].margin", "is not an amount, such as"),
        (offer(budget="10 EUR"), "offers[0].cost", "needs the cost"),
        (offer(cost="1 EUR"), "offers[0].budget", "needs the budget"),
        (offer(channel="screen", coupon=True), "offers[0].channel", "a screen shows the offer to everyone"),
        (offer(channel="screen", budget="10 EUR", cost="1 EUR"), "offers[0].channel", "a screen shows the offer to everyone"),
        (offer(channel="screen", title="A" * 41), "offers[0].title", "41 characters; a screen has room for 40"),
        (offer(channel="screen", body=" ".join(["a"] * 24)), "offers[0].body", "a screen has the attention of 6 s"),
        (offer(budget="0 EUR", cost="1 EUR"), "offers[0].budget", "does not cover the cost of one acceptance"),
        (offer(budget="0.99 EUR", cost="1 EUR"), "offers[0].budget", "does not cover the cost of one acceptance"),
        (offer(occasions=["enterd"]), "offers[0].occasions", "did you mean 'entered'?"),
        (offer(zones=["garden", "garden"]), "offers[0].zones", "listed twice"),
        (offer(zones=[]), "offers[0].zones", "length >= 1"),
        (offer(body="Only 3 left!"), "offers[0].body", "scarcity"),
        (offer(body="No thanks, I don't like saving"), "offers[0].body", "confirm-shaming"),
    ],
)
def test_each_fault_has_its_path_and_cause(table: dict[str, Any], path: str, why: str) -> None:
    with pytest.raises(CampaignError) as refused:
        compile_campaign(table)
    (fault,) = map(str, refused.value.faults)
    assert fault.startswith(f"{path}: ")
    assert why in fault


def test_faults_of_one_file_are_reported_together() -> None:
    table = offer(margin="1.90 USD", ends="2027-02-30")
    table["policy"]["gap"] = "3 d"
    with pytest.raises(CampaignError) as refused:
        compile_campaign(table)
    assert [str(fault).partition(":")[0] for fault in refused.value.faults] == ["offers[0].ends", "offers[0].margin", "policy.gap"]


def test_a_zero_cap_is_not_an_absent_cap() -> None:
    assert compile_campaign(TABLE).policy.per_person_day_max == 4
    none = compile_campaign(changed(lambda table: table["policy"].update(per_person_day_max=0)))
    assert none.policy.per_person_day_max == 0


def test_categories_and_currency_are_those_of_the_schema() -> None:
    schema = load_schema(DEMO / "schema.toml")
    with pytest.raises(CampaignError, match="no category of the schema"):
        compile_campaign(TABLE, schema)
    other = msgspec.structs.replace(schema, currency="USD", categories=("tea",))
    with pytest.raises(CampaignError, match="not the currency of the schema, USD"):
        compile_campaign(TABLE, other)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Hurry, the sale ends today", "urgency"),
        ("Letzte Chance!", "urgency"),
        ("Nur noch 2 Plätze", "scarcity"),
        ("While stocks last", "scarcity"),
        ("Nein danke, ich zahle lieber mehr", "confirm-shaming"),
        ("Two hours at the cafe, then it is over", None),
        ("Thursday hurrying is not our way", None),
    ],
)
def test_wordings_that_put_pressure_on_a_person(text: str, kind: str | None) -> None:
    found = pressure(text)
    assert (found.kind if found else None) == kind


def test_true_urgency_is_allowed_with_its_fact() -> None:
    assert compile_campaign(offer(body="Only today", urgency_reason="the market closes on Sunday")).offers[0].body == "Only today"


@pytest.mark.parametrize(
    ("table", "zones", "path", "why"),
    [
        (offer(per_person_day_max=0), None, "offers[0].per_person_day_max", "0 allows no proposal"),
        (offer(starts="2025-01-01", ends="2026-12-31"), None, "offers[0].ends", "it has ended"),
        (offer(margin="0.20 EUR"), None, "offers[0].margin", "not above the contact cost, 20"),
        (TABLE, ["gardn"], "offers[0].zones", "did you mean 'gardn'?"),
        (changed(lambda table: table["policy"].update(per_person_day_max=0)), None, "policy.per_person_day_max", "allows no offer"),
    ],
)
def test_offers_that_can_never_be_sent(table: dict[str, Any], zones: list[str] | None, path: str, why: str) -> None:
    (fault,) = map(str, never_sent(compile_campaign(table), zones, NOW_MS))
    assert fault.startswith(f"{path}: ")
    assert why in fault


def test_an_ordinary_offer_can_be_sent() -> None:
    assert never_sent(compile_campaign(TABLE), ["garden", "gate"], NOW_MS) == []


def test_a_file_that_is_no_toml_is_refused_with_the_cause(tmp_path: Path) -> None:
    path = tmp_path / "campaign.toml"
    shipped = (DEMO / "campaign.toml").read_bytes()
    for content, why in (
        (shipped.replace(b"Cake", "Käse".encode("latin-1"), 1), r"campaign.toml:\d+: a character is not UTF-8 \(byte 0xe4\)"),
        (b'{"offers": []}', "TOML, not JSON"),
        (b"offers = [[[", "not valid TOML"),
        (b"x = 1\n" * 3_000_000, "too large"),
    ):
        path.write_bytes(content)
        with pytest.raises(TomlFileError, match=why):
            load_campaign(path)


def test_a_byte_order_mark_and_line_ends_of_windows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "campaign.toml"
    path.write_bytes(b"\xef\xbb\xbf" + (DEMO / "campaign.toml").read_bytes().replace(b"\n", b"\r\n"))
    assert load_campaign(path).campaign == load_campaign(DEMO / "campaign.toml").campaign
