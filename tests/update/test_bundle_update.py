"""`wayside bundle update`: a campaign from a stick, by the keys of its delegated role, for a share of the gateways."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.update import device
from tests.commands.terminal import Said, wayside
from tests.kit.bundles import make_bundle
from tests.kit.gateways import write_config
from tests.update.releases import NOW, Shop


class Stick(NamedTuple):
    """A gateway's config, a repository, and the folder that trusts it."""

    config: Path
    shop: Shop
    root: Path

    def publish(self, version: int, share: int = 100) -> None:
        """Put a version of the gateway's series on the stick."""
        folder = self.config.parent / f"new-{version}"
        folder.mkdir()
        self.shop.signed.add_bundle(make_bundle(folder, version=version).bundle, "tiny", NOW, share)

    def update(self, *more: str) -> Said:
        """Run the command."""
        return wayside("bundle", "update", "--from", self.shop.place, "--root", self.root, "--config", self.config, *more)


@pytest.fixture
def stick(tmp_path: Path) -> Stick:
    shop = Shop(tmp_path / "stick")
    return Stick(write_config(tmp_path), shop, shop.trusted_by(tmp_path / "program"))


def test_a_newer_campaign_is_installed_once(stick: Stick) -> None:
    stick.publish(2)
    assert "tiny version 2: installed" in stick.update().out
    assert stick.update().out == "the installed bundle of tiny is the newest one\n"
    stick.publish(3)
    assert "tiny version 3: installed" in stick.update().out


def test_a_share_of_the_gateways_waits(stick: Stick, monkeypatch: pytest.MonkeyPatch) -> None:
    stick.publish(2, share=10)
    monkeypatch.setattr(device, "place_of", lambda _: 10)
    assert stick.update("--staged").out == "the installed bundle of tiny is the newest one for this device\n"
    assert "tiny version 2: installed" in stick.update().out, "by hand it is taken at once"


def test_what_is_refused_changes_nothing(stick: Stick, tmp_path: Path) -> None:
    assert stick.update().refusal(1).endswith("lists no bundles/tiny.bundle")
    stranger = Shop(tmp_path / "stranger")
    (tmp_path / "x").mkdir()
    stranger.signed.add_bundle(make_bundle(tmp_path / "x", version=9).bundle, "tiny", NOW)
    other = stick._replace(shop=stranger).update().refusal(1)
    assert "it is not signed by the keys that this device trusts" in other
    stick.publish(2)
    assert stick.update().code == 0
    stick.publish(1)  # the role's key alone: the gateway counts versions too
    assert "version 1 is not newer than the installed version 2" in stick.update().refusal(1)
    (stick.root / "trusted.json").unlink()
    assert "trusted.json does not exist: put the file metadata/1.root.json" in stick.update().refusal(1)
