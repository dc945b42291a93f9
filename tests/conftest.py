"""What holds for every test: the same draws each time, and under CI=true no test that quietly did not run.

A test that needs a real broker, a browser or the shared data skips with a reason where that is absent. On a developer's
machine that is kind; in continuous integration it would be a hole that looks green, so there every skip is a failure.
Tests left out by a marker (`-m "not soak"`) are deselected, not skipped, and stay out.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import hypothesis
import pytest

# No deadline and no check for slow generation: a busy machine is no fault of the code. No database: a failure prints its own
# blob to be repeated with.
hypothesis.settings.register_profile(
    "house",
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("house")


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"CI=true allows no skipped test. {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one under CI=true."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a module that skips itself into a failure under CI=true."""
    report = yield
    _fail_if_skipped(report)
    return report
