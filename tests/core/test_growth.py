"""A decision costs the same however long the decision log is: counted work, which does not depend on the machine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from gateway.core.ends import Ends
from gateway.core.state import OutcomesState
from tests.core import growth_cost

MORE_INSTRUCTIONS_MAX = 1.05  # by a heap that is deeper by three levels
MORE_PAGES_MAX = 1.4  # by search trees that are deeper by one level


def grows(folder: Path, small: int, large: int) -> bool:
    """Whether a round costs more after `large` decisions than after `small` ones."""
    for name in ("small", "large"):
        (folder / name).mkdir()
    few, many = growth_cost.work(folder / "small", small), growth_cost.work(folder / "large", large)
    return (
        many.instructions > MORE_INSTRUCTIONS_MAX * few.instructions
        or many.pages_read > MORE_PAGES_MAX * few.pages_read
        or many.pages_written > MORE_PAGES_MAX * few.pages_written
    )


def test_a_decision_costs_as_much_after_ten_times_as_many(tmp_path: Path) -> None:
    assert not grows(tmp_path, 300, 3_000)


def test_a_look_at_every_open_window_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scanned(self: OutcomesState, now_ms: int) -> list[str]:
        return sorted(id_ for id_, window in self.open.items() if self._due_ms(window.until_ms) <= now_ms)

    monkeypatch.setattr(OutcomesState, "due", scanned)
    assert grows(tmp_path, 300, 3_000)


@pytest.mark.soak
def test_a_decision_costs_as_much_after_a_hundred_thousand(tmp_path: Path) -> None:
    assert not grows(tmp_path, 1_000, 100_000)


@pytest.mark.parametrize("seed", range(20))
def test_ends_are_those_of_a_sorted_list(seed: int) -> None:
    draws, open_ = random.Random(seed), dict[str, int]()  # noqa: S311 - a seeded test
    ends = Ends(open_)
    for number in range(200):
        if draws.random() < 0.6:
            open_[f"d{number}"] = draws.randrange(50)
            ends.add(open_[f"d{number}"], f"d{number}")
        elif open_:
            del open_[draws.choice(sorted(open_))]
        at_ms, most = draws.randrange(60), draws.choice((1, 5, 1_000))
        expected: Iterator[str] = (id_ for end_ms, id_ in sorted((end_ms, id_) for id_, end_ms in open_.items()) if end_ms <= at_ms)
        assert list(islice(ends.until(at_ms), most)) == list(islice(expected, most))
        assert ends.first_ms() == min(open_.values(), default=None)
