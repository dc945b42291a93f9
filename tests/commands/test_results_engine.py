"""The figures of a log that the engine wrote: people come, answer, visit the shop or not, and their windows close."""

from __future__ import annotations

import pytest

from gateway.commands.results.figures import Results, results
from gateway.commands.results.rows import read_rows
from tests.kit.testbed import HOUR_MS, OFFERS, Gateway, Phone, campaign, make_site

PEOPLE = 60


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, dict[str, int]]:
    """The figures, and the counts that the run made."""
    made = campaign(*OFFERS, holdout=0.3, contact_cost_minor=0.0, quiet_from=0, quiet_until=0)
    gateway = Gateway(tmp_path_factory.mktemp("engine"), site=make_site(campaign=made), synced=False)
    counts = {"sent": 0, "held_out": 0, "accepted": 0}
    for number in range(PEOPLE):
        phone = Phone(f"phone-{number:04}")
        gateway.apply(phone.consent())
        gateway.apply(phone.near("scan-station"))
        gateway.clock.advance(1_000)
        (decision,) = gateway.apply(phone.near("scan-station")).decisions.made
        counts[decision.arm] += 1
        if decision.arm == "sent" and number % 3 == 0:
            gateway.apply(phone.answer(decision.id, "shown"), phone.answer(decision.id, "accepted"))
            counts["accepted"] += 1
    gateway.pass_time(48 * HOUR_MS)
    with gateway.reader() as reader:
        rows = read_rows(reader.log(0, 2**62, gateway.clock.now_ms()), gateway.site.plan, gateway.site.timezone, None)
    gateway.close()
    return results(rows, gateway.site.campaign, "EUR", None, 0), counts


def test_the_funnel_is_that_of_the_run(measured: tuple[Results, dict[str, int]]) -> None:
    found, counts = measured
    total = found.funnel[-1]
    assert counts["held_out"] > 5
    assert counts["accepted"] > 5
    assert (total.intended, total.sent, total.held_out) == (PEOPLE, counts["sent"], counts["held_out"])
    assert (total.shown, total.accepted, total.redeemed) == (counts["accepted"], counts["accepted"], 0)
    assert found.open_windows == 0
    assert total.accept_rate is not None
    assert total.accept_rate.value == pytest.approx(counts["accepted"] / counts["sent"])


def test_the_holdout_has_the_size_of_the_campaign(measured: tuple[Results, dict[str, int]]) -> None:
    found, counts = measured
    assert found.alarms == ()
    assert found.sample_ratio.held_out == counts["held_out"]  # type: ignore[union-attr]  # 18 people are expected
    assert found.sample_ratio.expected == pytest.approx(0.3 * PEOPLE)  # type: ignore[union-attr]  # as above
