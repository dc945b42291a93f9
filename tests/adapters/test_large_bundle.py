"""A bundle at the limits (10,000 offers, 1,000 attributes) is written, verified, checked, loaded and decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.adapters.bundle import open_bundle, read_public_keys
from gateway.build import build_site, model_slot
from gateway.core import limits
from gateway.core.bundle import Bundle
from gateway.core.context import ZoneContext
from gateway.core.policy.choose import decide
from gateway.core.policy.prepared import DecisionRequest
from tests.commands.terminal import wayside
from tests.core.attribute_cost import MEASURED, person, schema, site
from tests.kit.bundles import BundleFiles, make_bundle
from tests.kit.gateways import settings_of, write_config
from tests.kit.testbed import NOON_MS


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> BundleFiles:
    declared = schema(limits.ATTRIBUTES_MAX)
    campaign = site(10, limits.OFFERS_MAX).campaign
    return make_bundle(tmp_path_factory.mktemp("large"), campaign, schema=declared, columns=declared.columns, split="a2")


@pytest.fixture(scope="module")
def bundle(files: BundleFiles) -> Bundle:
    return open_bundle(files.bundle, read_public_keys(files.keys), None)


def test_it_is_verified_and_checked(files: BundleFiles, tmp_path: Path) -> None:
    config = write_config(tmp_path, files=files)
    for command in (("bundle", "verify", files.bundle, "--config", config), ("check", "--config", config)):
        result = wayside(*command)
        assert (result.code, result.err) == (0, ""), result


def test_it_decides(files: BundleFiles, bundle: Bundle, tmp_path: Path) -> None:
    """Of offers with the same propensity that with the highest value wins; 64 are logged, the others counted."""
    settings = settings_of(write_config(tmp_path, files=files))
    here = build_site(settings, bundle)
    zone = here.zones["cafe"]
    request = DecisionRequest(person(here, days=20), zone.id, "entered", NOON_MS, here)
    made = decide(request, ZoneContext(dict.fromkeys(MEASURED, (12.0, NOON_MS))), model_slot(settings, bundle), "d")
    assert made.offer == "o399"
    assert len(made.candidates) == limits.CANDIDATES_KEPT_MAX
    assert sum(made.left_out.values()) == limits.OFFERS_MAX - limits.CANDIDATES_KEPT_MAX
    assert len(made.candidates[0].row()) == limits.ATTRIBUTES_MAX
