"""The offer of the highest expected value or silence, one reason for every candidate, and one batch for the model."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gateway.core import context as contexts
from gateway.core.attributes.history import Stated
from gateway.core.attributes.schema import parse
from gateway.core.context import ZoneContext
from gateway.core.offers import Campaign, Ranking
from gateway.core.policy.choose import Scorer, decide
from gateway.core.policy.decision import Decision
from gateway.core.policy.gates import REASONS
from gateway.core.policy.prepared import DecisionRequest, Prepared
from gateway.core.types import Occasion
from tests.kit.attributes import COLUMNS, KINDS
from tests.kit.testbed import NOON_MS, OneOutput, Phone, TableScorer, berlin_ms, campaign, make_site, offer

PERSON = contexts.with_consent(None, "s1", Phone().consent(told={"visits_month_bar": 2.0}), (), NOON_MS, make_site().plan.history)


def at(offers: Campaign, zone: str = "cafe", occasion: Occasion = "entered", now_ms: int = NOON_MS) -> DecisionRequest:
    return DecisionRequest(PERSON, zone, occasion, now_ms, make_site(campaign=offers))


def decided(offers: Campaign, scorer: Scorer | None = None, zone: str = "cafe") -> Decision:
    return decide(at(offers, zone), ZoneContext(), scorer or TableScorer(), "gw-t.1")


def by_kind(**values: int) -> list[Any]:
    """One offer of each kind with that margin, all at the cafe's door."""
    return [offer(kind.replace("_", "-"), category=kind, value_minor=value, zones=("cafe",)) for kind, value in values.items()]


class RowScorer(OneOutput):
    """These scores, in the order of the rows."""

    version = "rows-1"

    def __init__(self, *scores: float) -> None:
        self.scores = scores

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        assert len(rows) == len(self.scores)
        return np.array(self.scores, dtype=np.float32)


# --- expected value --------------------------------------------------------------------------------------


def test_expected_value_ranks_and_not_propensity() -> None:
    """The arbitration table of the sources in cents: .08 x 1.55 x 20 = 2.48, .05 x 30 x 1.25 = 1.875, .12 x 15 = 1.80.

    Context and lever are part of the value here: the margin an accepted offer brings. The order is theirs.
    """
    offers = by_kind(coffee_house=round(1.55 * 2000), bar=1500, carry_away=round(1.25 * 3000))
    policy = {"contact_cost_minor": 20.0, "propensity_min": 0.01}
    made = decided(campaign(*offers, **policy), TableScorer({"coffee_house": 0.08, "bar": 0.12, "carry_away": 0.05}))
    assert [candidate.offer for candidate in made.candidates] == ["coffee-house", "carry-away", "bar"]
    assert [candidate.expected_value_minor for candidate in made.candidates] == pytest.approx([228.0, 167.5, 160.0], rel=1e-6)
    assert [candidate.reason for candidate in made.candidates] == ["chosen", "lower_rank", "lower_rank"]
    assert (made.offer, made.reason, made.p_select) == ("coffee-house", "chosen", 1.0)


@pytest.mark.parametrize(("cost", "chosen"), [(249.9, "flat-white"), (250.0, None), (250.1, None)])
def test_silence_has_the_value_0_and_wins_against_offers_of_no_more(cost: float, chosen: str | None) -> None:
    made = decided(campaign(offer(), contact_cost_minor=cost))
    assert made.offer == chosen
    assert made.reason == ("chosen" if chosen else "not_worth_it")


def test_all_negative_is_silence() -> None:
    offers = by_kind(coffee_house=100, bar=30, carry_away=5)
    made = decided(campaign(*offers, contact_cost_minor=1000.0))
    assert (made.offer, made.reason) == (None, "not_worth_it")
    assert {candidate.reason for candidate in made.candidates} == {"not_worth_it"}
    assert [candidate.offer for candidate in made.candidates] == ["coffee-house", "bar", "carry-away"], "best first all the same"


def test_the_unlikely_is_not_proposed_however_much_it_would_bring() -> None:
    made = decided(
        campaign(*by_kind(coffee_house=10_000_000, bar=100), propensity_min=0.25), TableScorer({"coffee_house": 0.2499, "bar": 0.25})
    )
    assert {candidate.offer: candidate.reason for candidate in made.candidates} == {"bar": "chosen", "coffee-house": "propensity_low"}
    assert made.offer == "bar"


def test_equal_expected_values_keep_the_campaigns_order() -> None:
    offers = by_kind(carry_away=400, bar=400, coffee_house=400)
    assert [candidate.offer for candidate in decided(campaign(*offers)).candidates] == ["carry-away", "bar", "coffee-house"]
    assert decided(campaign(*reversed(offers))).offer == "coffee-house"


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -math.inf, -0.5, 1.5])
def test_nonsense_from_a_model_chooses_nothing(nonsense: float) -> None:
    made = decided(campaign(*by_kind(coffee_house=400, bar=400)), RowScorer(nonsense, nonsense))
    assert made.offer is None
    assert decided(campaign(*by_kind(coffee_house=400, bar=400)), RowScorer(nonsense, 0.5)).offer == "bar"


# --- the model is asked once -----------------------------------------------------------------------------


def test_the_model_is_asked_once_and_only_of_open_offers() -> None:
    scorer = TableScorer()
    made = decided(campaign(), scorer, "station")
    assert [rows.shape for rows in scorer.asked] == [(2, len(COLUMNS))]
    asked = [KINDS[int(np.argmax(row[[COLUMNS.index(f"offer_{kind}") for kind in KINDS]]))] for row in scorer.asked[0]]
    assert asked == ["coffee_house", "bar"]
    assert {candidate.offer: candidate.reason for candidate in made.candidates}["second-cup"] == "not_here"


def test_the_model_is_not_asked_where_all_is_closed() -> None:
    scorer = TableScorer()
    for request in (at(campaign(), now_ms=0), at(campaign(), "elsewhere")):
        made = decide(request, ZoneContext(), scorer, "gw-t.1")
        assert made.offer is None
        assert all(candidate.propensity is None for candidate in made.candidates)
    assert scorer.asked == []


def test_without_a_model_there_is_silence() -> None:
    made = decided(campaign(), TableScorer(None, version=""))
    assert (made.offer, made.reason, made.model) == (None, "no_model", "")
    assert [candidate.reason for candidate in made.candidates] == ["no_model", "not_here", "not_now"]


def test_what_the_model_saw_is_written_down() -> None:
    scorer = TableScorer()
    made = decided(campaign(), scorer)
    assert made.candidates[0].row().tobytes() == scorer.asked[0].tobytes()
    assert np.isnan(made.candidates[0].row()).any(), "the weather is not known on this street"
    assert made.model == "table-1"
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=Decision) == made


# --- what the model reads --------------------------------------------------------------------------------


def row(request: DecisionRequest, here: ZoneContext | None = None, offer_at: int = 0) -> dict[str, float]:
    """Column -> value of one offer of the campaign."""
    plan = request.site.plan
    return dict(zip(COLUMNS, plan.matrix(Prepared(request, here).reading, [offer_at])[0].tolist(), strict=True))


def test_the_row_is_read_from_the_context() -> None:
    here = ZoneContext({"temperature": (8.5, NOON_MS), "precipitation": (1.0, NOON_MS)})
    late = row(at(campaign(), "station", now_ms=berlin_ms(2026, 6, 10, 17, 30)), here, 1)
    assert (late["hour"], late["heading_home"]) == (17.5, 1.0)
    assert math.isnan(late["weather_rainy"]), "readings of noon are outdated"
    assert math.isnan(late["temperature"])
    noon = row(at(campaign(), "station"), here, 1)
    assert (noon["hour"], noon["heading_nowhere_urgent"], noon["weather_rainy"], noon["temperature"]) == (12.0, 1.0, 1.0, 8.5)
    assert noon["travel"] == pytest.approx(3.0), "240 m at 80 m a minute"
    assert (noon["offer_bar"], noon["offer_coffee_house"], noon["expiry"]) == (1.0, 0.0, 24.0)
    assert (noon["visits_bar"], noon["visits_this_kind"]) == (2.0, 2.0)
    assert math.isnan(noon["visits_coffee_house"])


@pytest.mark.parametrize(
    ("zone", "hour", "heading"),
    [("station", 10, "work"), ("station", 11, "nowhere_urgent"), ("station", 16, "home"), ("cafe", 8, "nowhere_urgent")],
)
def test_in_a_transit_hall_people_are_bound_somewhere(zone: str, hour: int, heading: str) -> None:
    assert row(at(campaign(), zone, now_ms=berlin_ms(2026, 6, 10, hour)))[f"heading_{heading}"] == 1.0


def one_column(declared: dict[str, Any], here: ZoneContext | None = None, **told: Stated) -> float:
    """The value of the only column of a model, for OFFERS[0] and a person with these stated values."""
    schema = parse({"categories": ["coffee_house", "bar"], "zone_kinds": KINDS, "currency": "EUR", "attributes": [declared]})
    site = make_site(schema=schema, columns=schema.columns)
    person = msgspec.structs.replace(PERSON, told=told)
    prepared = Prepared(DecisionRequest(person, "cafe", "entered", NOON_MS, site), here)
    return float(site.plan.matrix(prepared.reading, [0])[0, 0])


def test_the_time_left_is_clipped_like_every_number() -> None:
    left = {"name": "left", "about": "offer", "dtype": "number", "unit": "h", "offer": {"field": "hours_left"}}
    assert one_column(left) > 1_000.0
    assert one_column(left | {"high": 48.0}) == 48.0


def test_zero_has_no_sign() -> None:
    """SQLite stores -0.0 as 0, so a replayed row would differ from the scored one."""
    person = {"name": "a", "about": "person", "dtype": "number", "unit": "1", "purposes": ["offers"], "told": {}}
    place = {"name": "a", "about": "place", "dtype": "number", "unit": "Cel", "reading": {"quantity": "temperature"}}
    assert math.copysign(1.0, one_column(person, a=-0.0)) == 1.0
    assert math.copysign(1.0, one_column(place, ZoneContext({"temperature": (-0.0, NOON_MS)}))) == 1.0
    assert math.copysign(1.0, one_column(person, a=-1e-60)) == 1.0, "too small for float32"


def test_a_number_beyond_float32_is_the_largest_float32() -> None:
    person = {"name": "a", "about": "person", "dtype": "number", "unit": "1", "purposes": ["offers"], "told": {}}
    assert one_column(person, a=1e300) == float(np.finfo(np.float32).max)


def test_the_way_to_an_unknown_shop_is_unknown() -> None:
    assert math.isnan(row(at(campaign(offer(shop="far-away"))))["travel"])


# --- any campaign ------------------------------------------------------------------------------------------

_OFFERS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 5000), st.sampled_from(("cafe", "bar", "station")), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(max_examples=200)
@given(_OFFERS, st.dictionaries(st.sampled_from(KINDS), st.floats(0, 1)), st.sampled_from(("cafe", "bar")), st.floats(0, 500))
def test_every_candidate_has_one_reason_and_the_best_open_one_is_chosen(
    drawn: list[tuple[Any, int, str, bool]], propensities: dict[Any, float], zone: str, cost: float
) -> None:
    offers = [
        offer(f"o{n}", category=kind, value_minor=value, zones=(where,), occasions=("entered",) if enters else ("dwelled",))
        for n, (kind, value, where, enters) in enumerate(drawn)
    ]
    scorer = TableScorer(propensities)
    made = decided(campaign(*offers, contact_cost_minor=cost), scorer, zone)
    assert sorted(candidate.offer for candidate in made.candidates) == sorted(one.id for one in offers)
    assert made.p_select == 1.0
    assert made.reason == max((candidate.reason for candidate in made.candidates), key=list(REASONS).index)
    chosen = [candidate for candidate in made.candidates if candidate.reason == "chosen"]
    assert [candidate.offer for candidate in chosen] == ([made.offer] if made.offer else [])
    fit = [one.expected_value_minor for one in made.candidates if one.propensity is not None and one.propensity >= 0.1]
    assert (made.offer is not None) == any(value is not None and value > 0 for value in fit)
    if made.offer:
        assert chosen[0].expected_value_minor == max(value for value in fit if value is not None)
    open_offers = [one for one in offers if zone in one.zones and "entered" in one.occasions]
    assert sum(len(rows) for rows in scorer.asked) == len(open_offers)
    assert len(scorer.asked) == min(1, len(open_offers))


# --- ranking by compromise ---------------------------------------------------------------------------------


def ranked(*scores: float, ranking: Ranking | None, margins: tuple[int, ...] = (100, 400, 1_100)) -> Decision:
    offers = [offer(f"o{number}", zones=("cafe",), value_minor=margin) for number, margin in enumerate(margins)]
    policy = {"contact_cost_minor": 1.0, "propensity_min": 0.1, "ranking": ranking}
    return decided(campaign(*offers, **policy), RowScorer(*scores))


def test_a_compromise_ranks_by_its_weights() -> None:
    """Scores .9, .5, .2 and margins 100, 400, 1,100: score x margin takes the third, and equal weights the second at v = .4.

    Weighted distances .5 x (0, .571, 1) and .5 x (1, .7, 0), so S is (.5, .636, .5) and R (.5, .35, .5); scaled (0, 1, 0) and (1, 0, 1),
    hence Q is (1 - v, v, 1 - v).
    """
    scores = (0.9, 0.5, 0.2)
    assert ranked(*scores, ranking=None).offer == "o2"
    assert ranked(*scores, ranking=Ranking(1.0, 0.0)).offer == "o0"
    assert ranked(*scores, ranking=Ranking(0.0, 1.0)).offer == "o2"
    assert ranked(*scores, ranking=Ranking(0.5, 0.5, v=0.4)).offer == "o1"
    assert ranked(*scores, ranking=Ranking(0.5, 0.5, v=0.6)).offer == "o0"
    assert ranked(*scores, ranking=Ranking(0.5, 0.5, v=0.4)).policy.startswith("vikor-1.")


def test_a_compromise_opens_no_gate() -> None:
    """An offer below the least propensity, or not worth its contact, is not chosen at any weight."""
    assert ranked(0.09, 0.5, 0.2, ranking=Ranking(0.0, 0.0, 1.0)).offer == "o1"
    assert ranked(0.09, 0.09, 0.09, ranking=Ranking(1.0, 1.0)).offer is None
    assert ranked(0.9, 0.5, 0.2, ranking=Ranking(1.0, 0.0), margins=(1, 400, 1_100)).offer == "o1"


# --- the change that an offer makes --------------------------------------------------------------------------


class TwoHeads(RowScorer):
    """Scores with an offer, and without it."""

    def __init__(self, treated: tuple[float, ...], untreated: tuple[float, ...]) -> None:
        super().__init__(*treated)
        self.without = np.array(untreated, dtype=np.float32)

    def untreated(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        assert len(rows) == len(self.without)
        return self.without


def test_with_a_model_of_uplift_the_change_counts() -> None:
    """Margin 400 with 100 off, usual 500. Bought by .9 with it and .8 without: .9 x 400 - .8 x 500 - 20 = -60.

    So a sure thing gets no discount. Bought by .3 with it and .1 without: 120 - 50 - 20 = 50. Propensity alone would take the first (340).
    """
    offers = [offer(id_, zones=("cafe",), value_minor=400, price_minor=1_000, discount=0.1) for id_ in ("sure", "moved")]
    own = campaign(*offers, contact_cost_minor=20.0, propensity_min=0.1)
    assert decided(own, RowScorer(0.9, 0.3)).offer == "sure"
    made = decided(own, TwoHeads((0.9, 0.3), (0.8, 0.1)))
    assert made.offer == "moved"
    values = {one.offer: one.expected_value_minor for one in made.candidates}
    assert values == {"sure": pytest.approx(-60.0, abs=1e-3), "moved": pytest.approx(50.0, abs=1e-3)}
    assert {one.offer: one.reason for one in made.candidates}["sure"] == "not_worth_it"
    assert decided(own, TwoHeads((0.9, 0.3), (0.8, 0.3))).offer is None, "no change, no message"
