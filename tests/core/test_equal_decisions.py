"""Decisions equal those of the simplest implementation (`tests.core.reference`), bit for bit, for random schemas, campaigns and people."""

from __future__ import annotations

import random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.core import limits
from gateway.core.attributes.aggregators import HistoryFact, State
from gateway.core.attributes.history import Stated
from gateway.core.attributes.schema import FactKind, Schema, parse
from gateway.core.context import Contact, SubjectContext, Wishes, ZoneContext
from gateway.core.counting import Counting, Crowd
from gateway.core.offers import Campaign, Cap, CapGroup, Ignored, Offer, Policy
from gateway.core.policy.choose import decide
from gateway.core.policy.gates import REASONS
from gateway.core.policy.prepared import DecisionRequest
from gateway.core.site import Site
from gateway.core.types import Named, Occasion
from tests.core import reference
from tests.kit.attributes import person
from tests.kit.testbed import DAY_MS, EVERYTHING, HOUR_MS, NOON_MS, ZONES, OneOutput, make_site

CATEGORIES = ("tea", "cake", "pie")
ZONE_IDS = tuple(zone.id for zone in ZONES)
OCCASIONS: tuple[Occasion, ...] = ("entered", "dwelled")
QUANTITIES = ("temperature", "precipitation", "noise", "pm2_5")
RULES = {"missing", "not_eligible", "not_applicable", "not_suitable"}
"""Reasons of rules, which the reference does not know: tests/core/test_gates.py has known answers of them."""
TIMEZONES = tuple(ZoneInfo(name) for name in ("Europe/Berlin", "Asia/Beirut", "America/Havana", "Pacific/Apia"))
"""In Beirut and Havana clocks change at midnight; Apia is 13 hours ahead of UTC."""


class HashScorer(OneOutput):
    """A score that depends on every bit of a row; by chance invalid, and rounded, so that offers rank equal."""

    version = "hash-1"

    def __init__(self, draws: random.Random) -> None:
        self.works, self.valid, self.steps = draws.random() < 0.95, draws.random() < 0.7, draws.choice((3, 1_000_000))

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        if not self.works:
            return None
        bits = rows.view(np.uint32).astype(np.uint64)
        hashed = (bits * np.arange(1, rows.shape[1] + 1, dtype=np.uint64) * np.uint64(2_654_435_761)).sum(axis=1) % np.uint64(1_000_003)
        scores = np.round(hashed / 1_000_003 * self.steps) / self.steps
        return (
            np.where(hashed % 11 == 0, [np.nan, 1.5, -0.1][int(hashed[0]) % 3], scores).astype(np.float32)
            if not self.valid
            else (scores.astype(np.float32))
        )


def number(name: str, about: str, draws: random.Random, **source: Any) -> dict[str, Any]:
    """A number, by chance with bounds."""
    made = {"name": name, "about": about, "dtype": "number", "unit": "1", **source}
    if draws.random() < 0.3:
        made["low"] = draws.choice((-1.0, 0.0, 0.5))
    if draws.random() < 0.3:
        made["high"] = draws.choice((1.0, 20.0, 300.0))
    return made


def history(name: str, draws: random.Random) -> dict[str, Any]:
    """A history attribute with some fold, filter and window."""
    fold = draws.choice(("count", "sum", "mean", "last", "recency", "distinct", "share"))
    source: dict[str, Any] = {"of": "purchases", "fold": fold}
    if fold == "share" and draws.random() < 0.5:
        source |= {"of": "answers", "answers": ["accepted"], "per": "contacts"}
    elif fold in {"count", "recency"}:
        source["of"] = draws.choice(("visits", "purchases", "answers", "contacts"))
    if fold == "distinct":
        source["field"] = draws.choice(("category", "zone"))
    if fold not in {"last", "recency"}:
        source |= draws.choice(({}, {"within_days": draws.choice((1, 7, 30))}, {} if fold == "distinct" else {"half_life_days": 5.0}))
    if source["of"] != "visits" and draws.random() < 0.3:
        source["categories"] = draws.sample(CATEGORIES, 2)
    if draws.random() < 0.3:
        source["empty"] = 0.75
    made = number(name, "person", draws, history=source) | {"purposes": draws.choice((["offers"], ["offers", "learning"]))}
    if fold == "last" and draws.random() < 0.5:
        source |= {"field": "category"}
        source.pop("empty", None)
        made = person(name, **source) | {"dtype": "category", "values": ["tea", "pie"]}
        del made["unit"]
    return made


def drawn_schema(draws: random.Random) -> Schema:
    """Attributes from every source, in a random order."""
    made = [history(f"h{at}", draws) for at in range(draws.randrange(8))]
    made += [number(f"told{at}", "person", draws, told={}) | {"purposes": ["offers"]} for at in range(2)]
    made += [
        {"name": "member", "about": "person", "dtype": "flag", "purposes": ["offers"], "told": {}},
        {"name": "taste", "about": "person", "dtype": "category", "values": list(CATEGORIES), "purposes": ["learning"], "told": {}},
        {"name": "weather", "about": "place", "dtype": "category", "reading": {"quantity": "weather"}},
        {"name": "heading", "about": "moment", "dtype": "category", "clock": {"field": "heading"}},
        {"name": "season", "about": "moment", "dtype": "category", "clock": {"field": "season"}},
        {"name": "occasion", "about": "occasion", "dtype": "category", "occasion": {"field": "kind"}},
        {"name": "kind", "about": "offer", "dtype": "category", "offer": {"field": "category"}},
        {"name": "vegan", "about": "offer", "dtype": "flag", "offer": {"field": "tag", "tag": "vegan"}},
    ]
    made += [number(f"r{at}", "place", draws, reading={"quantity": name}) for at, name in enumerate((*QUANTITIES, "context_age"))]
    made.append(number("crowd", "place", draws, reading={"quantity": "people_per_hour", "max_age_min": 20}))
    made += [number(f"c_{field}", "moment", draws, clock={"field": field}) for field in ("hour", "weekday")]
    made.append(number("dwell", "occasion", draws, occasion={"field": "dwell_s"}))
    fields = ("value", "price", "discount", "expiry_hours", "hours_left")
    made += [number(f"o_{field}", "offer", draws, offer={"field": field}) for field in fields]
    made += [number(f"b_{field}", "offer", draws, between={"field": field}) for field in ("walk_min", "distance_m")]
    names = [one["name"] for one in made if one["about"] == "person" and one["dtype"] == "number"]
    by_category = {category: draws.choice(names) for category in draws.sample(CATEGORIES, 2)}
    made.append(number("b_person", "offer", draws, between={"field": "by_category", "by_category": by_category}))
    draws.shuffle(made)
    return parse({"categories": CATEGORIES, "zone_kinds": ["coffee_house", "bar"], "currency": "EUR", "attributes": made})


def drawn_offer(at: int, draws: random.Random) -> Offer:
    """An offer that is open in about half of the requests."""
    is_service = at == 7  # in a large campaign rarely open, so that other offers are weighed
    starts_ms = NOON_MS - draws.choice((-1, 0, 1, 100_000)) * HOUR_MS
    return Offer(
        f"o{at}",
        draws.choice(CATEGORIES),
        tuple(draws.sample(ZONE_IDS, draws.randrange(1, 4))),
        draws.choice((*ZONE_IDS, "far-away")),
        draws.choice((0, 100, 500, 5_000)),
        starts_ms,
        starts_ms + draws.choice((1, 400_000)) * HOUR_MS,
        draws.choice((0.5, 24.0)),
        "an offer",
        occasions=draws.choice((("entered",), ("dwelled",), ("entered", "dwelled"), ("entered", "dwelled"), ())),
        per_person_day_max=draws.choice((0, 1, 2, 60)),
        price_minor=draws.choice((None, 0, 999)),
        discount=draws.choice((None, 0.0, 0.333)),
        tags=draws.choice(((), ("vegan",))),
        budget_minor=draws.choice((None, None, 250)),
        cost_minor=100,
        kind="service" if is_service else "offer",
        during_incident=is_service and starts_ms == NOON_MS,
    )


def drawn_caps(draws: random.Random) -> tuple[Cap, ...]:
    """No cap, or some over different windows."""
    groups: tuple[CapGroup, ...] = ("person", "category", "shop", "offer")
    return tuple(
        Cap(draws.choice(groups), draws.randrange(5), draws.choice((600, 86_400, 604_800))) for _ in range(draws.choice((0, 0, 1, 2)))
    )


def drawn_spending(draws: random.Random) -> dict[str, int]:
    """Spent and reserved amounts of some offers."""
    return {f"o{at}": draws.choice((0, 150, 151, 9_999)) for at in range(draws.randrange(9))}


def drawn_silences(draws: random.Random) -> tuple[Ignored, ...]:
    """No silence, or one."""
    groups: tuple[CapGroup, ...] = ("category", "shop", "offer")
    rule = Ignored(draws.choice(groups), draws.choice((1, 2, 3)), draws.choice((3_600, 86_400)), draws.choice((3_600, 604_800)))
    return (rule,) if draws.random() < 0.4 else ()


def drawn_site(draws: random.Random, offers: int) -> Site:
    """A site with a random schema, most of its columns in a random order, and a random campaign."""
    schema = drawn_schema(draws)
    columns = draws.sample(schema.columns, draws.randrange(1, len(schema.columns) + 1))
    quiet = draws.choice(((0, 0), (0, 0), (1320, 420)))
    policy = Policy(draws.choice((1, 64, 64)), draws.choice((0, 0, 600)), *quiet, draws.choice((0.0, 100.0)), draws.choice((0.0, 0.5)))
    refusal_s = draws.choice((3_600, 86_400, 604_800))
    policy = msgspec.structs.replace(policy, refusal_s=refusal_s, caps=drawn_caps(draws), ignored=drawn_silences(draws))
    made = Campaign(tuple(drawn_offer(at, draws) for at in range(offers)), policy)
    return make_site(schema=schema, columns=tuple(columns), campaign=made, timezone=draws.choice(TIMEZONES))


def drawn_person(site: Site, draws: random.Random) -> SubjectContext:
    """A person with stated values, facts of some weeks, contacts around midnight and a random consent."""
    purposes = draws.choice((EVERYTHING, EVERYTHING, ("presence", "offers"), ("presence", "learning")))
    told: dict[str, Stated] = {
        "told0": draws.uniform(-5.0, 5.0),
        "told1": -0.0,
        "member": draws.random() < 0.5,
        "taste": draws.choice((*CATEGORIES, "rye")),
    }
    states: dict[str, State] = {}
    kinds: tuple[FactKind, ...] = ("visits", "purchases", "answers", "contacts")
    for days in sorted((draws.uniform(0.0, 40.0) for _ in range(draws.randrange(40))), reverse=True):
        at_ms = NOON_MS - int(days * DAY_MS)
        fact = HistoryFact(draws.choice(kinds), at_ms, draws.choice(CATEGORIES), draws.choice(ZONE_IDS), "bar", "o1", "entered")
        fact = msgspec.structs.replace(fact, amount=draws.randrange(5_000), answer=draws.choice(("shown", "accepted")))
        states = site.plan.history.fold(states, purposes, fact, at_ms)
    contacts = tuple(
        Contact(f"d{at}", f"o{draws.randrange(8)}", NOON_MS - draws.randrange(30 * HOUR_MS), draws.choice((None, "dismissed", "opened")))
        for at in range(draws.choice((0, 0, 1, 5, 64)))
    )
    clean = site.plan.history.stated(told, purposes)
    return SubjectContext("s", "d", purposes, "b", 1, told=clean, history=states, facts=draws.randrange(99), contacts=contacts)


def drawn_wishes(draws: random.Random) -> Wishes | None:
    """No wishes, or some that block and prefer."""
    if draws.random() < 0.6:
        return None
    blocked = Named(("o1", "o2"), (), ("far-away",)) if draws.random() < 0.5 else Named()
    wanted = Named(draws.choice(((), ("o1", "o3"))), draws.choice(((), ("pie",)))) if draws.random() < 0.5 else Named()
    return Wishes(1, blocked, wanted, draws.choice(((), (), ((720, 721), (1380, 60)))))


def drawn_place(draws: random.Random) -> ZoneContext:
    """Readings of any age, some of them -0.0."""
    readings = {
        name: (draws.choice((-0.0, 0.5, draws.uniform(-9.0, 60.0))), NOON_MS - draws.randrange(4 * HOUR_MS))
        for name in QUANTITIES
        if draws.random() < 0.8
    }
    return ZoneContext(readings, Counting({"c": Crowd(draws.choice((None, 55.5)), NOON_MS - draws.randrange(HOUR_MS))}))


def compare(seed: int, offers: int, requests: int) -> set[str]:
    """Compare some decisions of one site; the reasons that they had."""
    draws, more = random.Random(seed), random.Random(f"{seed} wishes")  # noqa: S311 - a seeded test
    site = drawn_site(draws, offers)
    reasons: set[str] = set()
    for _ in range(requests):
        now_ms = NOON_MS + draws.choice((0, 0, -11 * HOUR_MS, 13 * HOUR_MS, -draws.randrange(48 * HOUR_MS), -HOUR_MS * 24 * 365))
        zone, occasion = draws.choice(ZONE_IDS), draws.choice(OCCASIONS)
        person, dwell_s, spending = drawn_person(site, draws), draws.uniform(0.0, 600.0), drawn_spending(draws)
        person = msgspec.structs.replace(person, wishes=drawn_wishes(more))
        seed, held_out, is_silent = draws.randrange(2**52), draws.random() < 0.2, more.random() < 0.2
        place = person, zone, occasion, now_ms, site, dwell_s, spending, seed, held_out
        request = DecisionRequest(*place, is_silent=is_silent, is_unconfirmed=more.random() < 0.05)
        here, scorer = drawn_place(draws), HashScorer(draws)
        made, expected = decide(request, here, scorer, "d"), reference.decided(request, here, scorer, "d")
        assert made == expected, (seed, zone, occasion, now_ms)
        assert msgspec.msgpack.encode(made.candidates) == msgspec.msgpack.encode(expected.candidates), (seed, zone, occasion, now_ms)
        reasons |= {made.reason} | {candidate.reason for candidate in made.candidates} | set(made.left_out)
    return reasons


def compare_all(seeds: range, offers: tuple[int, ...], requests: int = 4) -> set[str]:
    """Compare the decisions of one site a seed; the reasons that they had."""
    reasons: set[str] = set()
    for seed in seeds:
        reasons |= compare(seed, random.Random(seed).choice(offers), requests)  # noqa: S311 - a seeded test
    return reasons


def test_decisions_equal_those_of_the_reference() -> None:
    """600 decisions of 150 sites: most campaigns are small, some have more offers than candidates are kept."""
    of_groups = {"segment_no_discounts", "sure_thing"}  # tests/core/test_grouped_decisions.py
    learned = {"silence_drawn"}  # tests/core/test_engine_learning.py
    elsewhere = of_groups | learned | {"closed", "in_slate"}  # tests/core/test_gates.py, tests/core/test_slates.py
    assert compare_all(range(150), (1, 8, 8, 8, 90)) == set(REASONS) - RULES - elsewhere, "a reason that no decision had"


def test_decisions_equal_those_of_the_reference_in_several_batches_of_the_model() -> None:
    assert "chosen" in compare_all(range(12), (6 * limits.SCORE_ROWS_MAX,), requests=1)


@pytest.mark.soak
def test_twenty_thousand_decisions_equal_those_of_the_reference() -> None:
    compare_all(range(1_000, 6_000), (1, 8, 20, 90))


def test_the_comparison_notices_a_wrong_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference that forgets the bounds of numbers differs."""
    monkeypatch.setattr(reference, "clipped", lambda _one, value: value)
    with pytest.raises(AssertionError):
        compare_all(range(40), (8,))
