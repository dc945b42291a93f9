"""Progress on the standard error where that is a file: lines, and not too many."""

from __future__ import annotations

import pytest

from models.screen import progressing, working


def test_progress_is_lines_where_the_standard_error_is_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Steps that end at 0.4, 1.2, 1.9 and 2.5 s: a line at the start, then those a second or more apart."""
    times = iter([0.0, 0.4, 1.2, 1.9, 2.5])
    with progressing("benchmarks", 4, clock=lambda: next(times)) as step:
        assert capsys.readouterr().err == "benchmarks: 4 steps\n"  # before the first step ends, which may take minutes
        for name in ("first", "second", "third", "fourth"):
            step(name)
    captured = capsys.readouterr()
    assert captured.err == "second: 2 of 4, 1 s\nfourth: 4 of 4, 2 s\n"
    assert captured.out == ""


def test_a_thousand_quick_steps_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progressing("samples", 1_000, clock=lambda: 0.0) as step:
        for _ in range(1_000):
            step("samples")
    assert capsys.readouterr().err == "samples: 1000 steps\n"


def test_work_without_steps_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with working("mining [all]"):
        assert capsys.readouterr().err == "mining [all] …\n"
    assert capsys.readouterr().err == ""
