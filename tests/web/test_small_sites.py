"""Records of small sites: counts of all zones of an offer, weeks, and the sums of perceived control."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.web.seed import DAY_MS, DAY_START_MS, HOUR_MS, OUTCOMES, VARIANCE, Json, batch, bearer, hours, noise, offers, packed

WEEK_START_MS = DAY_START_MS - 7 * DAY_MS
ZONES = ["bar", "plaza"]
SUMMED: Json = {"window_start_ms": WEEK_START_MS, "window_ms": 7 * DAY_MS, "zones": ZONES, "sums_zones": True}


def week(record_id: str = "w1", **fields: Any) -> Json:
    """400 contacts of a week, of all zones of an offer."""
    counts = [{"held_out": 40, "accepted": 100, "ignored": 260}.get(outcome, 0) for outcome in OUTCOMES]
    return offers(record_id, {}, **(SUMMED | {"counts": counts} | fields))


def windows(variance: float) -> list[Json]:
    """The windows of that week: 1 offer sent in each zone in each hour."""
    return [
        hours(f"h{hour}", dict.fromkeys(ZONES, 1), window_start_ms=WEEK_START_MS + hour * HOUR_MS, variance=variance)
        for hour in range(7 * 24)
    ]


def control(answers: int, distance: int, variance: float = 0.5, **fields: Any) -> Json:
    """The sums of perceived control of a quarter."""
    usual: Json = {
        "type": "control",
        "id": "c1",
        "gateway": "gw-a",
        "window_start_ms": DAY_START_MS - 92 * DAY_MS,
        "window_ms": 92 * DAY_MS,
        "noise": noise(variance),
        "counts": [answers, distance],
    }
    return usual | fields


def post(client: TestClient, *records: Json) -> int:
    """The status of a POST."""
    status: int = client.post("/v1/batches", content=packed(batch("b1", records)), headers=bearer()).status_code
    return status


def summary(client: TestClient) -> Json:
    """The figures of all stored records."""
    found: Json = client.get("/v1/summary?span=all").json()
    return found


def test_counts_of_all_zones_are_added_up_and_named(client: TestClient) -> None:
    assert post(client, *windows(0.01366), week()) == 200
    found = summary(client)
    assert (found["quarantined"], found["days"]) == (0, 7)
    assert found["outcomes"]["accepted"]["value"] == 100
    assert set(found["sent_by_zone"]) == set(ZONES)
    page = client.get("/offers/espresso?span=all").text
    assert "all zones" in page


def test_the_week_of_all_zones_makes_the_sum_of_the_windows_more_precise(client: TestClient) -> None:
    """336 windows of 127.8 have a half interval of 407; the six cells of the week alone have 54."""
    noised = [week(noise=noise(VARIANCE))]
    assert post(client, *windows(VARIANCE), *noised) == 200
    sent = summary(client)["sent"]
    assert sent["plus_minus"] < 60
    assert abs(sent["value"] - 360) < 5


def test_a_week_with_a_missing_window_is_not_combined(client: TestClient) -> None:
    assert post(client, *windows(VARIANCE)[1:], week(noise=noise(VARIANCE))) == 200
    assert summary(client)["sent"]["plus_minus"] > 300


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"sums_zones": False}, 422),
        ({"counts": [0] * 16}, 422),
        ({"window_ms": 8 * DAY_MS}, 422),
        ({"sums_zones": "yes"}, 422),
    ],
)
def test_a_week_of_another_shape_is_refused(client: TestClient, fields: Json, status: int) -> None:
    assert post(client, week(**fields)) == status


def test_the_mean_of_perceived_control_is_shown_with_its_interval(client: TestClient) -> None:
    assert post(client, *windows(0.01366), control(200, 400)) == 200
    found = summary(client)["perceived_control"]
    assert found["value"] == 5.0
    assert found["plus_minus"] < 0.1
    assert "Perceived control: 5.0" in client.get("/?span=all").text


def test_few_answers_are_hidden_by_the_noise(client: TestClient) -> None:
    assert post(client, *windows(0.01366), control(6, 12, variance=7_000.0)) == 200
    assert summary(client)["perceived_control"] is None
    assert "Perceived control" not in client.get("/?span=all").text


@pytest.mark.parametrize("counts", [[6_000_000, 0], [200_000, 10_000_000], [1, 2, 3]])
def test_answers_of_more_people_than_there_can_be_do_not_count(client: TestClient, counts: list[int]) -> None:
    assert post(client, control(0, 0, counts=counts)) == 422 or summary(client)["quarantined"] == 1
    assert summary(client)["perceived_control"] is None
