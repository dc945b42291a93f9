"""Black-box audit of all that leaves: the loss of privacy is as stated, and each of twelve planted bugs is found.

The audit sees contacts that go in and records that come out of a real store. `CHECKS` are its questions; a bug is planted by a patch, and
at least one check must find it. Without a bug all checks pass.
"""

from __future__ import annotations

import math
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec
import pytest

from gateway.adapters.store import counts as table
from gateway.adapters.store import tables
from gateway.adapters.store.entropy import SystemEntropy
from gateway.adapters.store.released import ReleaseMarks
from gateway.core import context as contexts
from gateway.core.privacy import contribution, laplace, release
from gateway.core.privacy.audit import Z_MAX, chi_square_z, day_loss, epsilon
from gateway.core.privacy.laplace import Entropy
from gateway.core.privacy.tables import Catalogue, Contact, Period, TableName, Terms
from gateway.core.records import HourCounts, OfferCounts, Record
from gateway.core.types import TimePassed
from tests.adapters.test_release import Counting, closed, released, sent
from tests.core.test_engine import enter
from tests.kit.testbed import DAY_MS, EVERYTHING, HOUR_MS, NOON_MS, Gateway, Phone

TERMS = Terms()
ONE_ZONE = Catalogue("gw-t", ("cafe",), {})
WIDE = Catalogue("gw-t", tuple(f"z{number}" for number in range(1_000)), {})
NOON = Period(NOON_MS, NOON_MS - NOON_MS % DAY_MS, TERMS)
honest = laplace.discrete_laplace


# --- the questions ------------------------------------------------------------------------------------------


def the_noise_is_discrete_laplace(_: Path) -> Iterator[str]:
    """20,000 counts of zero, against the distribution that the terms demand."""
    entropy = SystemEntropy()
    draws = [draw for _ in range(20) for draw in release.hour_record(WIDE, NOON, {}, entropy, "w").counts]
    if not all(type(draw) is int for draw in draws):
        yield "a count is no integer"
    elif abs(chi_square_z(draws, Fraction(2 * TERMS.contacts_max))) > Z_MAX:
        yield "the noise has another distribution"


def two_releases_have_different_noise(folder: Path) -> Iterator[str]:
    counts = []
    for name in ("a", "b"):
        counting = Counting(folder / name)
        counting.turn(NOON_MS)
        counting.turn(NOON_MS + DAY_MS)
        made = [record for record in counting.outbox() if isinstance(record, HourCounts | OfferCounts)]
        counts.append([record.counts for record in made])
        counting.close()
        if any(len(set(one)) == 1 for one in counts[-1] if len(one) > 4):
            yield "all counts of a record have the same noise"
    if counts[0] == counts[1]:
        yield "two gateways draw the same noise"


def totals_of(folder: Path, contacts: list[Contact], monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Sum of the counts of each table over a day, without noise."""
    with monkeypatch.context() as patch:
        patch.setattr(laplace, "discrete_laplace", lambda *_: 0)
        counting = Counting(folder)
        counting.turn(NOON_MS)
        counting.count(*contacts)
        counting.turn(NOON_MS + HOUR_MS)
        counting.count(*contacts)
        counting.turn(NOON_MS + DAY_MS)
        found: Counter[str] = Counter()
        for record in counting.outbox():
            if isinstance(record, HourCounts | OfferCounts):
                found[type(record).__name__] += sum(record.counts)
        counting.close()
    return found


def one_person_changes_a_table_by_no_more_than_the_scale_assumes(folder: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        most = totals_of(folder, [sent("p1"), closed("p1")] * 20, patch)
    spent = sum(Fraction(number) / TERMS.scale("offers") for number in most.values())
    if spent > Fraction(TERMS.epsilon_millionths, 1_000_000):
        yield f"a person's day costs {float(spent):.2f}, more than epsilon"
    if min(most.values()) < TERMS.contacts_max:
        yield "fewer contacts count than the terms allow"


def counted(folder: Path, purposes: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Contacts that a gateway counts of one person who enters, accepts and redeems."""
    gateway = Gateway(folder, synced=False)
    phone = Phone()
    gateway.apply(TimePassed(), phone.consent(purposes))
    code = enter(gateway, phone).decisions.triggers[0].id
    for kind in ("shown", "opened", "accepted", "redeemed"):
        gateway.apply(phone.answer(code, kind))
    before = gateway.contacts()
    gateway.pass_time(3 * HOUR_MS)
    gateway.apply(TimePassed())
    found = before + gateway.contacts()
    gateway.close()
    return found


def a_contact_is_one_cell_of_each_table(folder: Path) -> Iterator[str]:
    found = Counter(row[0] for row in counted(folder, EVERYTHING))
    if found != {"hours": 1, "offers": 1}:
        yield f"one contact counts as {dict(found)}"


def people_without_measurement_are_in_no_count(folder: Path) -> Iterator[str]:
    if counted(folder, ("presence", "offers")):
        yield "a person who declined measurement is counted"


def a_period_leaves_once(folder: Path) -> Iterator[str]:
    """The clock goes back two days and comes again, and the database is restored from a copy of before the release."""
    counting = Counting(folder / "a")
    counting.turn(NOON_MS)
    counting.store._db.wal_checkpoint()
    shutil.copytree(folder / "a", folder / "b")
    made: list[Record] = []
    for now_ms in (NOON_MS + HOUR_MS, NOON_MS - 2 * DAY_MS, NOON_MS, NOON_MS + HOUR_MS):
        counting.count(sent("p1"))
        counting.turn(now_ms, f"{len(made)}.")
        made += counting.outbox()
    counting.close()
    for marks in (folder / "a").glob("*.released"):
        shutil.copy(marks, folder / "b")
    restored = Counting(folder / "b")
    restored.turn(NOON_MS + HOUR_MS, "again")
    made += restored.outbox()
    restored.close()
    twice = [key for key, number in released(made).items() if number > 1]
    if twice:
        yield f"released twice: {twice}"


CHECKS: tuple[Callable[[Path], Iterator[str]], ...] = (
    the_noise_is_discrete_laplace,
    two_releases_have_different_noise,
    one_person_changes_a_table_by_no_more_than_the_scale_assumes,
    a_contact_is_one_cell_of_each_table,
    people_without_measurement_are_in_no_count,
    a_period_leaves_once,
)


def audit(folder: Path) -> dict[str, list[str]]:
    """What each check finds, without those that find nothing."""
    found: dict[str, list[str]] = {}
    for check in CHECKS:
        (folder / check.__name__).mkdir()
        faults = list(check(folder / check.__name__))
        if faults:
            found[check.__name__] = faults
    return found


# --- the bugs ------------------------------------------------------------------------------------------------


class Bug(NamedTuple):
    """A planted bug: what is replaced by what, and the check that must find it."""

    name: str
    target: object
    attribute: str
    instead: object
    found_by: Callable[[Path], Iterator[str]]


def float_noise(scale: Fraction, entropy: Entropy) -> float:
    uniform = (entropy(53) + 0.5) / 2**53 - 0.5
    return -float(scale) * math.copysign(math.log(1 - 2 * abs(uniform)), uniform)


def five_cells(work: Any, name: Any, subject: str, zone: str, offer: str = "", outcome: str = "") -> None:
    for _ in range(5):
        honest_count(work, name, subject, zone, offer, outcome)


honest_count = contribution._count
STEADY: dict[Fraction, int] = {}


def all_of_epsilon(terms: Terms, _: TableName) -> int:
    return terms.epsilon_millionths


def one_too_few(terms: Terms, table: TableName) -> Fraction:
    return Fraction((terms.contacts_max - 1) * 1_000_000, terms.share_millionths(table))


BUGS = (
    Bug("half the scale", laplace, "discrete_laplace", lambda scale, bits: honest(scale / 2, bits), the_noise_is_discrete_laplace),
    Bug("noise of one sign", laplace, "discrete_laplace", lambda scale, bits: abs(honest(scale, bits)), the_noise_is_discrete_laplace),
    Bug(
        "noise used again",
        laplace,
        "discrete_laplace",
        lambda scale, bits: STEADY.setdefault(scale, honest(scale, bits)),
        two_releases_have_different_noise,
    ),
    Bug("floating-point noise", laplace, "discrete_laplace", float_noise, the_noise_is_discrete_laplace),
    Bug("seeded noise", tables, "SystemEntropy", lambda: random.Random(4).getrandbits, two_releases_have_different_noise),  # noqa: S311
    Bug(
        "no bound of contributions",
        table,
        "first",
        lambda keys, used, _: contribution.first(keys, used, 16),
        one_person_changes_a_table_by_no_more_than_the_scale_assumes,
    ),
    Bug("sensitivity too small by one", Terms, "scale", one_too_few, one_person_changes_a_table_by_no_more_than_the_scale_assumes),
    Bug("five cells for a contact", contribution, "_count", five_cells, a_contact_is_one_cell_of_each_table),
    Bug("declined people are counted", contexts, "allows", lambda *_: True, people_without_measurement_are_in_no_count),
    Bug(
        "a window leaves twice",
        table,
        "MUTED",
        dict.fromkeys(("hours", "offers"), "SELECT :table <> :table"),
        a_period_leaves_once,
    ),
    Bug(
        "each table spends all of epsilon",
        Terms,
        "share_millionths",
        all_of_epsilon,
        one_person_changes_a_table_by_no_more_than_the_scale_assumes,
    ),
    Bug("a restored copy draws again", ReleaseMarks, "append", lambda *_: None, a_period_leaves_once),
)


def test_the_audit_finds_nothing(tmp_path: Path) -> None:
    assert audit(tmp_path) == {}


def test_twelve_bugs_are_known() -> None:
    assert len({bug.name for bug in BUGS}) == 12


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_bug_is_found(bug: Bug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    STEADY.clear()
    monkeypatch.setattr(bug.target, bug.attribute, bug.instead)
    try:
        faults = list(bug.found_by(tmp_path))
    except apsw.ConstraintError as error:  # the checks of the schema count as found
        faults = [str(error)]
    assert faults


# --- the measured loss -----------------------------------------------------------------------------------------


def seeded(seed: int) -> Entropy:
    return random.Random(seed).getrandbits  # noqa: S311 - a fixed seed, so that the audit is repeatable


@pytest.mark.parametrize("terms", [TERMS, Terms(epsilon_millionths=500_000, contacts_max=2)])
def test_the_measured_loss_of_a_day_is_the_stated_epsilon(terms: Terms) -> None:
    loss = day_loss(terms, seeded(1), 15_000)
    assert 0.75 * epsilon(terms) <= loss.low <= epsilon(terms) <= loss.high


@pytest.mark.soak
@pytest.mark.parametrize("terms", [Terms(control=True), Terms(visitors=True)])
def test_the_measured_loss_of_a_day_with_all_tables(terms: Terms) -> None:
    loss = day_loss(terms, seeded(6), 100_000)
    assert 0.75 * epsilon(terms) <= loss.low <= epsilon(terms) <= loss.high


def test_the_loss_of_twice_as_many_contacts_is_noticed() -> None:
    assert day_loss(TERMS, seeded(2), 10_000, contacts=2 * TERMS.contacts_max).low > epsilon(TERMS)


@pytest.mark.soak
def test_the_measured_loss_over_200_000_releases() -> None:
    """At this seed the lower bound, three standard deviations below the estimate, is .966 of an epsilon of 1."""
    loss = day_loss(TERMS, seeded(3), 200_000)
    assert 0.9 * epsilon(TERMS) <= loss.low <= epsilon(TERMS)


def test_a_record_says_nothing_of_noise_that_is_not_its_own() -> None:
    """The bytes of a record hold the noised counts and the public terms, and no exact count."""
    entropy: Entropy = random.Random(5).getrandbits  # noqa: S311
    made: Record = release.hour_record(ONE_ZONE, NOON, {"cafe": 777_777}, entropy, "w")
    assert isinstance(made, HourCounts)
    assert made.counts[0] != 777_777
    assert b"777777" not in msgspec.json.encode(made)
