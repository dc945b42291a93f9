"""`wayside results` on logs of known truth."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from gateway.build_store import open_store
from gateway.core.attributes.read import ReadPlan
from gateway.core.attributes.schema import parse
from gateway.core.types import AnswerKind
from tests.commands.terminal import wayside
from tests.kit.attributes import COLUMNS, SCHEMA
from tests.kit.bundles import make_bundle, tiny_campaign
from tests.kit.decision_log import Made, trial, write_log
from tests.kit.gateways import settings_of, write_config
from tests.kit.testbed import HOUR_MS, NOON_MS


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return configured(tmp_path)


def configured(tmp_path: Path, holdout: float = 0.05) -> Path:
    """A config whose campaign has two offers, the first with a budget."""
    (offer,) = tiny_campaign().offers
    offers = (replace(offer, budget_minor=1_000_000, cost_minor=100), replace(offer, id="never-sent", shop="bar"))
    campaign = replace(tiny_campaign(contact_cost_minor=20.0, holdout=holdout), offers=offers)
    return write_config(tmp_path, files=make_bundle(tmp_path, campaign))


def report(config: Path, *options: object) -> dict[str, Any]:
    result = wayside("results", "--config", config, "--json", *options)
    assert (result.code, result.err) == (0, "")
    return dict(json.loads(result.out))


def test_the_funnel_counts_each_step(config: Path) -> None:
    answers = ["shown", "opened", "accepted", "redeemed", "dismissed", None]
    made = [Made(person, answer=answer) for person, answer in enumerate(answers)]  # type: ignore[arg-type]  # texts of AnswerKind
    write_log(config, [*made, Made(6, is_held=True), Made(7, is_closed=False), Made(8, offer=None)])
    found = report(config)
    offer, total = found["funnel"]
    assert {**offer, "offer": "all offers"} == total
    steps = ("intended", "held_out", "sent", "shown", "opened", "accepted", "redeemed", "dismissed")
    assert [offer[step] for step in steps] == [8, 1, 7, 5, 3, 2, 1, 1]
    assert offer["accept_rate"]["value"] == pytest.approx(2 / 6), "the window of one is open"
    assert (found["decisions"], found["people"], found["open_windows"]) == (9, 9, 1)


def test_the_funnel_fits_into_80_columns(config: Path) -> None:
    """Each count on one line with its offer, also with thousands; no word is cut."""
    write_log(config, [Made(person, answer="redeemed" if person % 3 else "dismissed") for person in range(1_100)])
    result = wayside("results", "--config", config)
    lines = result.out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("offer ") and "intended" in line)
    assert {"intended", "out", "sent", "shown", "opened", "accepted", "redeemed", "dismissed"} <= set(" ".join(lines[at : at + 2]).split())
    assert max(map(len, lines)) <= 80
    assert "flat-white 1,100 0 1,100 1,100 733 733 733 367" in [" ".join(line.split()) for line in lines]


def test_money_counts_contacts_and_accepted_offers_once(config: Path) -> None:
    write_log(config, [Made(0, answer="redeemed", amount_minor=380), Made(1, answer="accepted"), Made(2), Made(3, is_held=True)])
    money = report(config)["money"]
    assert (money["contact_cost"], money["offer_cost"], money["margin"]) == (60.0, 200, 1_000)
    assert (money["per_lead"], money["redeemed"]) == (130.0, 380)
    assert money["roi"] == pytest.approx((1_000 - 260) / 260)
    assert "wait" in money["roi_added"]


def test_the_lift_holds_the_truth(tmp_path: Path) -> None:
    config = configured(tmp_path, holdout=0.1)
    write_log(config, trial(1, 1_200, share=0.1, base=0.1, effect=0.8))
    found = report(config)
    visits = found["visits"]
    assert visits["ratio"]["low"] < 0.8 < visits["ratio"]["high"]
    assert visits["ratio"]["low"] > 0
    assert found["sample_ratio"]["alarm"] is False
    added = found["added_margin"]
    truth = 500 * 0.5 * 0.1 * 0.8  # value x accepted share of visits x added visits
    assert added["low"] < truth < added["high"]
    assert found["calibration_error"] < 0.1
    assert len(found["deciles"]) == 10
    assert all(0.03 < one["held_out"] < 0.2 for one in found["deciles"])
    shown = " ".join(wayside("results", "--config", config).out.split())
    assert "Offers bring people to the shops who would not have come otherwise." in shown


def test_too_little_is_a_wait_and_no_number(config: Path) -> None:
    """Ten people held out in 5 days, 30 are needed: 10 more days at the same pace."""
    day = 24 * HOUR_MS
    rows = [Made(person, NOON_MS + (person % 6) * day, is_held=person < 10, visited=person % 3 == 0) for person in range(200)]
    write_log(config, sorted(rows, key=lambda one: one.at_ms))
    found = report(config)
    wait = found["visits"]
    assert wait == {"wait": "people held out: 10 so far, 30 are needed", "more_days": 10}
    assert found["added_margin"] == wait
    shown = " ".join(wayside("results", "--config", config).out.split())
    assert "not enough yet, about 10 more days: people held out: 10 so far, 30 are needed" in shown


def test_a_visit_counts_once_for_offers_of_one_shop_in_one_window(config: Path) -> None:
    """Three offers within two hours and one visit, which is known to each: one row with one visit."""
    close = [Made(person, NOON_MS + at, visited=True) for person in range(100) for at in (0, HOUR_MS // 2, HOUR_MS)]
    held = [Made(100 + person, visited=person < 25, is_held=True) for person in range(50)]
    write_log(config, sorted([*close, *held], key=lambda one: one.at_ms))
    visits = report(config)["visits"]
    assert visits["treated"]["value"] == 1.0
    assert visits["treated"]["people"] == 100
    assert visits["control"]["value"] == 0.5


def test_a_wrong_holdout_is_an_alarm_and_closes_the_gate(config: Path) -> None:
    write_log(config, [Made(person, is_held=person < 20) for person in range(1_000)])
    found = report(config)
    assert found["sample_ratio"]["alarm"] is True
    assert found["alarms"][0].startswith("sample ratio: 20 of 1000 people are held out, 50 are expected")
    assert wayside("results", "--config", config, "--json", "--gate").code == 1
    assert "ALARM sample ratio" in wayside("results", "--config", config).out


def test_people_in_both_arms_are_an_alarm(config: Path) -> None:
    write_log(config, [Made(0), Made(0, NOON_MS + 1, is_held=True)])
    assert report(config)["alarms"] == ["holdout: 1 people are in both arms; its salt or share was changed within these days"]


def test_a_log_of_silence_has_figures_without_offers(config: Path) -> None:
    write_log(config, [Made(0, offer=None), Made(1, NOON_MS + HOUR_MS, offer=None)])
    found = report(config)
    assert [one["offer"] for one in found["funnel"]] == ["all offers"]
    assert found["visits"] == {"wait": "people who are sent offers: 0 so far, 30 are needed", "more_days": None}
    assert found["sample_ratio"] == {"wait": "people with an intended offer: 0 so far, 100 are needed", "more_days": None}
    assert (found["money"]["per_lead"], found["money"]["roi"]) == (None, None)
    assert wayside("results", "--config", config, "--html", config.with_name("r.html")).code == 0


def test_a_campaign_without_a_holdout_has_no_effect_to_measure(tmp_path: Path) -> None:
    config = configured(tmp_path, holdout=0.0)
    write_log(config, [Made(person) for person in range(50)])
    found = report(config)
    assert "policy.holdout is 0" in found["visits"]["wait"]
    assert found["sample_ratio"] == found["visits"] == found["added_margin"]


def test_a_changed_policy_is_stated(config: Path) -> None:
    write_log(config, [Made(0), Made(1, policy="learned-1.cafe")])
    assert report(config)["policies"] == {"plain-1": 1, "learned-1.cafe": 1}
    shown = " ".join(wayside("results", "--config", config).out.split())
    assert "all figures are a mixture: learned-1.cafe 1, plain-1 1 decisions." in shown


def test_spread_over_the_offers(config: Path) -> None:
    write_log(config, [Made(0), Made(1), Made(2, is_held=True)])
    spread = {"gini": 0.5, "coverage": 0.5, "novelty_bits": 0.0, "serendipity": 0.0, "diversity": 0.0}
    assert report(config)["exposure"] == spread


def test_an_accepted_offer_beyond_the_popular_one_and_of_another_shop(config: Path) -> None:
    """Of two accepted offers one is the most popular; the two of one person share a category, and differ in the shop: 1 - 1/3."""
    write_log(config, [Made(0, answer="accepted"), Made(0, NOON_MS + HOUR_MS, offer="never-sent", answer="accepted"), Made(1)])
    found = report(config)["exposure"]
    assert (found["serendipity"], found["diversity"]) == (0.5, pytest.approx(2 / 3))


def test_silence_is_counted_by_zone_hour_and_reason(config: Path) -> None:
    write_log(
        config, [Made(0, offer=None), Made(1, offer=None), Made(2, NOON_MS + HOUR_MS, offer=None, zone="cafe"), Made(3, NOON_MS + HOUR_MS)]
    )
    first, second = report(config)["silence"]
    assert (first["zone"], first["hour"], first["reason"], first["count"]) == ("plaza", 12, "not_worth_it", 2)
    assert (second["zone"], second["hour"], second["count"]) == ("cafe", 13, 1)
    assert first["meaning"]


def test_a_segment_that_is_left_out_closes_the_gate(tmp_path: Path) -> None:
    """Segments are read from the rows that were scored."""
    group = {"name": "group", "about": "person", "dtype": "category", "values": ["few", "many"], "purposes": ["offers"], "told": {}}
    schema = parse(msgspec.to_builtins(SCHEMA) | {"attributes": [*msgspec.to_builtins(SCHEMA.attributes), group]})
    columns = (*COLUMNS, "group_few", "group_many")
    path = write_config(tmp_path, files=make_bundle(tmp_path, schema=schema, columns=columns))
    digest = ReadPlan(schema, columns, (), {}).digest
    made = []
    for person in range(200):
        is_few = person < 100
        row = np.full(len(columns), np.nan, dtype=np.float32)
        row[-2:] = (is_few, not is_few)
        offer = "flat-white" if person % 100 < (20 if is_few else 80) else None
        answer: AnswerKind | None = "accepted" if person % 5 == 0 else None
        made.append(Made(person, offer=offer, features=row.tobytes(), columns=digest, is_scored=True, answer=answer, propensity=0.2))
    write_log(path, made)
    few, many = report(path)["fairness"]
    assert (few["name"], few["people"], few["offered"]) == ("few", 100, pytest.approx(0.2))
    assert few["against_most"]["value"] == pytest.approx(0.25)
    assert many["refused"] == []
    assert many["gap"]["value"] == pytest.approx(0.0, abs=0.01)
    alarm = "fairness: few gets offers 25% as often as the segment that gets most, below four fifths"
    assert report(path, "--by", "group")["alarms"] == [alarm]
    assert wayside("results", "--config", path, "--gate").code == 1


def test_a_model_without_segments_is_a_wait_with_the_way_out(config: Path) -> None:
    write_log(config, [Made(0)])
    assert "the model reads no category of a person" in report(config)["fairness"]["wait"]
    assert "--by nothing: no category of a person" in wayside("results", "--config", config, "--by", "nothing").refusal(1)


def test_only_people_who_consented_to_measurement_are_counted(config: Path) -> None:
    write_log(config, [Made(0), Made(1)])
    write_log(config, [Made(2), Made(3), Made(3)], ("presence", "offers", "learning"), start=2)
    found = report(config)
    assert (found["decisions"], found["people"], found["without_consent"]) == (2, 2, 3)


def test_a_log_without_consent_to_measurement_is_refused(config: Path) -> None:
    write_log(config, [Made(0), Made(1)], purposes=("presence", "offers", "learning"))
    assert "none of the 2 decisions is for a person who consents to measurement" in wayside("results", "--config", config).refusal(1)


def test_days_are_local_and_inclusive(config: Path) -> None:
    day = 24 * HOUR_MS
    write_log(config, [Made(at, NOON_MS + at * day) for at in range(4)])
    assert report(config, "--from", "2026-06-11", "--until", "2026-06-12")["decisions"] == 2
    assert report(config, "--until", "2026-06-10")["decisions"] == 1


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--from", "2026-06-12", "--until", "2026-06-11"), 2, "--until 2026-06-11: it is before --from 2026-06-12: exchange the two"),
        (("--from", "June"), 2, "--from June: not a day: write it as 2026-09-01"),
        (("--from", "2030-01-01"), 1, "no decision in the log between these days"),
    ],
)
def test_days_that_cannot_be_are_refused(config: Path, options: tuple[str, ...], code: int, told: str) -> None:
    write_log(config, [Made(0)])
    assert told in wayside("results", "--config", config, *options).refusal(code)


def test_no_database_an_empty_one_and_another_version_are_refused(config: Path) -> None:
    assert "does not exist yet: start the gateway first" in wayside("results", "--config", config).refusal(1)
    write_log(config, [])
    assert "no decision in the log" in wayside("results", "--config", config).refusal(1)
    store = open_store(settings_of(config))
    store._db.pragma("user_version", 99)
    store.close()
    assert "has schema 99, this program reads" in wayside("results", "--config", config).refusal(1)


def test_no_figure_names_a_person(config: Path, tmp_path: Path) -> None:
    write_log(config, trial(2, 300, share=0.2, base=0.2, effect=0.5))
    html = tmp_path / "results.html"
    everything = json.dumps(report(config, "--html", html)) + html.read_text("utf-8") + wayside("results", "--config", config).out
    assert not re.search(r"subject-|phone-|gw-t\.[0-9a-f]{16}", everything)


def test_the_page_stands_alone_and_is_the_same_twice(config: Path, tmp_path: Path) -> None:
    write_log(config, [*trial(3, 300, share=0.2, base=0.2, effect=0.5), Made(0, NOON_MS + 1, offer=None)])
    texts = []
    for name in ("a.html", "b.html"):
        report(config, "--html", tmp_path / name)
        texts.append((tmp_path / name).read_text("utf-8"))
    assert texts[0] == texts[1]
    assert texts[0].count("<svg") == 4
    assert not re.search(r"<script|https?://|src=", texts[0])
    assert re.search(r"<h2>Why nothing was offered</h2>", texts[0])
    missing = wayside("results", "--config", config, "--html", tmp_path / "no" / "folder.html")
    assert (missing.code, missing.out) == (1, "")
