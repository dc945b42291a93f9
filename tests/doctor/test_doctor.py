"""`wayside doctor` against broken set-ups: the first finding is the true cause."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.commands.doctor.gateway_user import as_owner_of
from tests.doctor.bench import bench, diagnosed
from tests.doctor.setups import SETUPS

pytestmark = pytest.mark.broker


QUICK = (
    "tcp_refused",
    "wrong_topic_filter",
    "zone_without_name",
    "cut_off_payloads",
    "no_consent",
    "quiet_hours",
    "bundle_expired",
    "disk_full",
    "clock_of_1970",
    "mistyped_setting",
    "not_started",
    "cloud_away",
)
"""One set-up of each family; the others run with `make soak`."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.soak) for name in SETUPS])
def test_the_first_finding_is_the_cause(name: str, tmp_path: Path) -> None:
    setup, code = SETUPS[name]
    with bench(tmp_path) as made:
        found = diagnosed(setup(made))
    assert found["findings"][0]["code"] == code, found["findings"]


def test_root_sees_files_as_the_user_of_the_gateway(tmp_path: Path) -> None:
    user, nobody = os.geteuid(), 65_534
    if user == 0:
        os.chown(tmp_path, nobody, nobody)
    with as_owner_of(tmp_path):
        assert os.geteuid() == (nobody if user == 0 else user)
    assert (os.geteuid(), os.getegid()) == (user, os.getgid())
