"""`wayside why`: a decision of a real gateway, explained to people and to machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.build import build
from gateway.core import limits
from gateway.core.discards import Discard
from gateway.core.policy.gates import REASONS
from tests.commands.terminal import wayside
from tests.kit.bundles import make_bundle, tiny_campaign
from tests.kit.gateways import settings_of, walk_in, write_config


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A gateway that has offered something to one person, and to a second one nothing."""
    path = write_config(tmp_path, files=make_bundle(tmp_path, tiny_campaign(gap_s_min=600)))
    gateway = build(settings_of(path))
    for message in (*walk_in("phone-0001"), *walk_in("phone-0002")):
        gateway.mailbox.deliver([message])
    assert gateway.turn(0.0) == 6
    gateway.store.close()
    return path


def decisions(config: Path) -> list[dict[str, str]]:
    result = wayside("why", "--config", config, "--json")
    assert (result.code, result.err) == (0, "")
    return list(json.loads(result.out))


def test_the_newest_decisions_are_listed(config: Path) -> None:
    found = decisions(config)
    assert [(row["zone"], row["reason"], row["offer"]) for row in found] == [("plaza", "chosen", "flat-white")] * 2
    result = wayside("why", "--config", config)
    assert result.code == 0
    assert all(row["decision"] in result.out for row in found)


def test_a_decision_is_explained_to_machines(config: Path) -> None:
    id_ = decisions(config)[0]["decision"]
    result = wayside("why", id_, "--config", config, "--json")
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)
    assert (report["decision"], report["zone"], report["occasion"], report["offer"]) == (id_, "plaza", "entered", "flat-white")
    assert (report["reason"], report["model"], report["p_select"], report["answer"]) == ("chosen", "tiny-1", 1.0, None)
    (candidate,) = report["candidates"]
    assert candidate["propensity"] == pytest.approx(0.8)
    assert candidate["expected_value_minor"] == pytest.approx(400.0)
    assert [row["attribute"] for row in report["mattered"]] == ["travel"], "the tiny model reads nothing else"
    assert candidate["parts"] == {
        "offer": "flat-white",
        "model": pytest.approx(0.8),
        "learned": pytest.approx(0.0, abs=1e-6),
        "value_minor": 500,
        "contact_cost_minor": 0.0,
        "levers_minor": pytest.approx(0.0, abs=1e-4),
    }
    assert report["sentence"].startswith("You got this because you came to the plaza ")
    assert report["rights"] == {"person": True, "content": True, "time": True, "place": True}
    changes = [abs(row["change"]) for row in report["mattered"]]
    assert changes == sorted(changes, reverse=True)


def test_a_decision_is_explained_to_people(config: Path) -> None:
    id_ = decisions(config)[0]["decision"]
    result = wayside("why", id_, "--config", config)
    assert (result.code, result.err) == (0, "")
    assert id_ in result.out
    assert "offer flat-white in plaza on entered" in " ".join(result.out.split())
    assert "0.800" in result.out
    assert "silence" in result.out
    shown = " ".join(result.out.split())
    assert "for the person: You got this because you came to the plaza" in shown
    assert "the four rights: person right, content right, time right, place right" in shown
    assert "propensity 0.800 = model 0.800 +0.000 learned; expected value 400.0 = propensity x 500 - contact 0 +0.0 levers" in shown


def test_offers_beyond_those_that_are_kept_are_counted_by_reason(tmp_path: Path) -> None:
    (offer,) = tiny_campaign().offers
    offers = [replace(offer, id=f"o{at}", zones=("plaza",) if at % 2 else ("cafe",)) for at in range(200)]
    path = write_config(tmp_path, files=make_bundle(tmp_path, replace(tiny_campaign(), offers=tuple(offers))))
    gateway = build(settings_of(path))
    for message in walk_in("phone-0001"):
        gateway.mailbox.deliver([message])
    gateway.turn(0.0)
    gateway.store.close()
    id_ = decisions(path)[0]["decision"]
    report = json.loads(wayside("why", id_, "--config", path, "--json").out)
    assert len(report["candidates"]) == limits.CANDIDATES_KEPT_MAX
    assert report["left_out"] == {"not_here": 100, "lower_rank": 100 - limits.CANDIDATES_KEPT_MAX}
    shown = " ".join(wayside("why", id_, "--config", path).out.split())
    assert "36 more" in shown
    assert "100 more" in shown


def test_all_reasons_are_listed_without_a_config(tmp_path: Path) -> None:
    listed = wayside("why", "--reasons", "--json", "--config", tmp_path / "none.toml")
    assert (listed.code, listed.err) == (0, "")
    tables = json.loads(listed.out)
    assert [row["reason"] for row in tables["decisions"]] == list(REASONS)
    assert [row["reason"] for row in tables["discards"]] == list(Discard)
    assert all(all(row.values()) for rows in tables.values() for row in rows)
    read = wayside("why", "--reasons", "--config", tmp_path / "none.toml")
    assert (read.code, read.err) == (0, "")
    words = set(read.out.replace("│", " ").split())
    assert words >= {*REASONS, *Discard}
    assert "…" not in read.out, "a text is cut off"


def test_an_unknown_decision_is_one_line(config: Path) -> None:
    assert "no decision 'gw-t.0' here" in wayside("why", "gw-t.0", "--config", config).refusal(1)


def test_the_learned_part_and_the_price_of_a_message_stand_apart(tmp_path: Path) -> None:
    """A campaign that learns: the two sums hold for each scored offer, and p_select is its own figure."""
    path = write_config(tmp_path, files=make_bundle(tmp_path, tiny_campaign(learn=True, contact_cost_minor=20.0)))
    gateway = build(settings_of(path))
    for number in range(20):
        for message in walk_in(f"phone-{number:04}"):
            gateway.mailbox.deliver([message])
    gateway.turn(0.0)
    gateway.store.close()
    reports = [json.loads(wayside("why", row["decision"], "--config", path, "--json").out) for row in decisions(path)]
    scored = [(report, one) for report in reports for one in report["candidates"] if one["parts"]]
    assert len(scored) > 10
    for _, candidate in scored:
        parts, propensity = candidate["parts"], candidate["propensity"]
        assert parts["model"] == pytest.approx(0.8)
        assert parts["model"] + parts["learned"] == pytest.approx(propensity)
        expected = propensity * parts["value_minor"] - parts["contact_cost_minor"] + parts["levers_minor"]
        assert expected == pytest.approx(candidate["expected_value_minor"])
    assert any(abs(candidate["parts"]["learned"]) > 0.01 for _, candidate in scored)
    assert all(0.0 < report["p_select"] <= 1.0 for report, _ in scored)


def test_an_attribute_counts_against_the_values_of_other_offers(tmp_path: Path) -> None:
    """The tiny model likes a short way. All offers of the log come from the plaza, so the way raises none of them."""
    path = write_config(tmp_path, files=make_bundle(tmp_path, tiny_campaign()))
    gateway = build(settings_of(path))
    for number in range(40):
        for message in walk_in(f"phone-{number:04}"):
            gateway.mailbox.deliver([message])
    gateway.turn(0.0)
    gateway.store.close()
    for found in decisions(path):
        assert json.loads(wayside("why", found["decision"], "--config", path, "--json").out)["mattered"] == []


def test_a_decision_outlives_its_model_and_its_bundle(config: Path) -> None:
    """Decisions are in the log; only the effect of features needs the model."""
    id_ = decisions(config)[0]["decision"]
    make_bundle(config.parent, version=2)
    newer = json.loads(wayside("why", id_, "--config", config, "--json").out)
    assert (newer["offer"], newer["model"], newer["mattered"], newer["candidates"][0]["parts"]) == ("flat-white", "tiny-1", [], None)
    for name in ("tiny.bundle", "tiny.pub"):
        (config.parent / name).unlink()
        gone = wayside("why", id_, "--config", config, "--json")
        assert (gone.code, json.loads(gone.out)["mattered"]) == (0, [])
