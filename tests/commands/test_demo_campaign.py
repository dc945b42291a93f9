"""The campaign of a demonstration, a file that is edited while it runs, and the course of the demonstration."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.adapters.bundle import open_bundle, read_public_keys
from gateway.commands.demo.course import Course
from gateway.commands.demo.live_campaign import HOLDOUT, STAY_S, LiveCampaign
from gateway.commands.demo.summary import Totals
from gateway.commands.demo.worlds import configs
from gateway.config import load_config


@pytest.mark.parametrize("world", ["street", "mall", "station"])
def test_an_edited_file_is_signed_and_installed_and_a_wrong_one_is_not(tmp_path: Path, world: str) -> None:
    config, file = load_config(configs(world)["gw-a"]), tmp_path / "mine.toml"
    live = LiveCampaign(config, tmp_path, file)
    live.install("gw-a")
    keys = read_public_keys(live.public_key)
    first = open_bundle(live.path("gw-a"), keys, None)
    of_world = open_bundle(config.bundle.path, read_public_keys(config.bundle.trusted_keys[0]), None).campaign
    assert first.campaign.offers == of_world.offers
    assert first.campaign.policy == msgspec.structs.replace(of_world.policy, holdout=HOLDOUT, refusal_s=round(STAY_S))
    assert not live.changed(), "nothing was edited"

    text = file.read_text("utf-8")
    file.write_text(text.replace("propensity_min = ", "propensity_min = 0.9 # "), "utf-8")
    assert live.changed()
    live.install("gw-a")
    second = open_bundle(live.path("gw-a"), keys, None)
    assert (second.manifest.version, second.campaign.policy.propensity_min) == (first.manifest.version + 1, 0.9)

    file.write_text(text.replace("propensity_min = ", "propensity_min = 9 # "), "utf-8")
    assert not live.changed()
    assert f"{file}:" in live.trouble
    assert "propensity_min" in live.trouble
    file.write_text(text, "utf-8")
    assert live.changed()
    assert live.trouble == ""


def test_without_a_file_the_same_campaign_runs(tmp_path: Path) -> None:
    live = LiveCampaign(load_config(configs("street")["gw-a"]), tmp_path, None)
    live.install("gw-a")
    assert open_bundle(live.path("gw-a"), read_public_keys(live.public_key), None).campaign.policy.holdout == HOLDOUT
    assert not live.changed()


def test_a_wrong_file_at_the_start_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("currency = 3", "utf-8")
    with pytest.raises(ValueError, match=r"mine\.toml"):
        LiveCampaign(load_config(configs("street")["gw-a"]), tmp_path, file)


def totals(triggers: int, answers: int, error: float | None) -> Totals:
    return Totals([{"gateway": "gw-a", "triggers": triggers, "learning": {"answers": answers, "calibration_error": error}}], {})


def test_the_course_has_a_row_a_minute_and_the_errors_as_the_answers_double() -> None:
    course = Course()
    for second in range(0, 301, 10):
        course.note(totals(second // 10, second, 1.0 / (1 + second)), ["1.0"], float(second))
    assert [(one["s"], one["triggers"]) for one in course.minutes] == [(60, 6), (120, 12), (180, 18), (240, 24), (300, 30)]
    assert course.pace(0.0, 300.0) == pytest.approx(6.0)
    assert course.pace(200.0, 260.0) is None, "one row only"
    shown = [float(one) for one in course.trail("gw-a", 0.001).split(" → ")]
    assert shown == sorted(shown, reverse=True)
    assert len(shown) == len([30, 60, 120, 240]) + 1
    assert course.trail("gw-b", None) == ""
