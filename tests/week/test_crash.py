"""A crash between any two steps changes nothing: a log is played with and without deaths, and both worlds are compared.

What must be equal is said here exactly, for a crash does cost something: what was only in memory, the last seconds of radio.

* Words and sales (all facts but answers), and who is known: equal for everybody, however often the power failed and wherever.
* Every answer to an offer that exists in the crashed world is kept, once.
* Decisions, with their moments, reasons and answers: equal for everybody whom the death did not meet in a zone, on the way into
  one, or in the batch in hand. Whoever was met gets one silence more before their visit ends, and may enter a few seconds later.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.week import again, scene
from tests.week.again import Occasion, Replay
from tests.week.guards import EagerLine
from tests.week.machine import CUTS, CutAt, Taken
from tests.week.rig import Plan, Rig, folder, play

PLAN = Plan(seed=5, days=0.5, people=10, cadence_s=120)
DEATHS_ALONE = 7


class Logged(NamedTuple):
    """A morning as it was, and the world that it left without any death.

    `presented` are tags that were linked because they touched the counter; a death forgets that, and the phone would hold its tag again.
    """

    log: list[Taken]
    codes: dict[str, Occasion]
    whole: Replay
    presented: frozenset[str]


@pytest.fixture(scope="module")
def where() -> Iterator[Path]:
    with folder() as made:
        yield made


@pytest.fixture(scope="module")
def logged(where: Path) -> Iterator[Logged]:
    rigs: list[Rig] = []
    play(PLAN, look=rigs.append)
    rig = rigs[0]
    whole = _world(where, "whole", rig.machine.log, rig.codes)
    whole.play()
    yield Logged(rig.machine.log, rig.codes, whole, frozenset(tag for word in rig.book.words.values() for tag in word.presented))
    whole.machine.close()


def _world(where: Path, name: str, log: list[Taken], codes: dict[str, Occasion]) -> Replay:
    (where / name).mkdir()
    site = scene.site(scene.scenario(PLAN.people, PLAN.days, PLAN.cadence_s), PLAN.cadence_s)
    return Replay(where / name, site, log, PLAN.seed, codes)


def _turns(logged: Logged) -> list[int]:
    """The turns in which anything was taken in."""
    return [number for number, taken in enumerate(logged.log) if taken.messages]


def _check_facts(logged: Logged, crashed: Replay) -> None:
    before, after = logged.whole.machine.store, crashed.machine.store
    assert again.facts(after) == again.facts(before)
    assert again.people(after, logged.presented) == again.people(before, logged.presented)
    kept = after.rows("SELECT count(*) FROM facts WHERE kind = 'answer'")[0][0]
    assert kept == crashed.answers
    assert after.sound() == "ok"


def test_facts_survive_one_death_after_the_other(where: Path, logged: Logged) -> None:
    turns = _turns(logged)
    with_facts = [number for number in turns if any(message.qos for message in logged.log[number].messages)]
    dying = sorted({*turns[::80], *with_facts[::3]})
    cuts: dict[int, CutAt] = {number: CUTS[place % len(CUTS)] for place, number in enumerate(dying)}
    crashed = _world(where, "often", logged.log, logged.codes)
    crashed.play(cuts)
    assert crashed.machine.deaths == len(cuts) >= 40
    _check_facts(logged, crashed)
    crashed.machine.close()


def test_one_death_changes_no_decision_for_whom_it_did_not_meet(where: Path, logged: Logged) -> None:
    chance = random.Random(PLAN.seed)  # noqa: S311 - which turns, not a secret
    before = again.decisions(logged.whole.machine.store)
    spared = 0
    for place, number in enumerate(chance.sample(_turns(logged), DEATHS_ALONE)):
        crashed = _world(where, f"once-{place}", logged.log, logged.codes)
        crashed.play({number: CUTS[place % len(CUTS)]})
        _check_facts(logged, crashed)
        after = again.decisions(crashed.machine.store)
        for device in set(before) - crashed.caught:
            assert after[device] == before[device], f"{device} was not met by the death in turn {number}"
            spared += len(before[device])
        crashed.machine.close()
    assert spared >= 100, "hardly anybody was spared: the comparison shows nothing"


def test_a_gateway_that_thanks_too_early_is_caught(where: Path, logged: Logged) -> None:
    """The negative control: the same deaths, and thanks that come before the commit."""
    with_facts = [number for number in _turns(logged) if any(message.qos for message in logged.log[number].messages)]
    crashed = _world(where, "eager", logged.log, logged.codes)
    eager = EagerLine(crashed._clock.now_ms, lambda _: None)
    eager.connect(crashed.machine.mailbox)
    crashed._line = crashed.machine._line = crashed.machine.app.bus = eager
    crashed.play(dict.fromkeys(with_facts[::3], "before_commit"))
    assert again.facts(crashed.machine.store) != again.facts(logged.whole.machine.store)
    crashed.machine.close()
