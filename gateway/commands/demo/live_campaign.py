"""The campaign of a running demonstration: that of the world, or a file that may be edited meanwhile.

It is signed with a key of its own at each start. A changed file is checked, signed and installed on both gateways, as
`wayside-models bundle make` and `wayside bundle install` do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.adapters.bundle import open_bundle, public_key_line, read_public_keys, redrafted, write_bundle
from gateway.adapters.bundle_store import BundleStore
from gateway.adapters.toml_files import TomlFileError, load_campaign
from gateway.core.bundle import BundleError

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Config
    from gateway.core.offers import Campaign


HOLDOUT = 0.5
"""Share of the people without offers in a demonstration: larger than in the worlds, because the comparison needs enough visits of both."""
STAY_S = 300.0
"""Seconds until a simulated person of a demonstration is replaced. A refusal lasts as long: for a month of it no message would be worth the
loss of a month, and the policy would wait for moments that no person is there to have.
"""


class LiveCampaign:
    """Signs the campaign and installs it for all gateways of the demonstration."""

    def __init__(self, settings: Config, folder: Path, file: Path | None) -> None:
        """Read the world's bundle, which `settings` name, and write the public key into `folder`.

        `file` is made from the world's campaign, with HOLDOUT and STAY_S, if it does not exist; without one the same campaign runs.

        Raises BundleError, TomlFileError and OSError.
        """
        keys = [key for path in settings.bundle.trusted_keys for key in read_public_keys(path)]
        self._bundle = open_bundle(settings.bundle.path, keys, None)
        self._key, self.public_key, self.key = Ed25519PrivateKey.generate(), folder / "demo.pub", folder / "demo.key"
        self.key.touch(mode=0o600)
        self.key.write_bytes(self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.public_key.write_text(public_key_line(self._key.public_key()) + "\n", "utf-8")
        self._folder, self.file, self.trouble = folder, file, ""
        begun = folder / "campaign.toml" if file is None else file
        if not begun.exists():
            text = re.sub(r"(?m)^refusal = .*\n", "", settings.bundle.path.with_name("campaign.toml").read_text("utf-8"))
            begun.write_text(re.sub(r"(?m)^holdout = .*$", f'holdout = {HOLDOUT}\nrefusal = "{STAY_S:g} s"', text), "utf-8")
        self.text_file = begun
        self._read_ns = 0 if file is None else file.stat().st_mtime_ns
        self._campaign = load_campaign(begun, self._bundle.schema).campaign
        self._version = self._bundle.manifest.version
        self._install(self._campaign)

    def path(self, gateway: str) -> Path:
        """The bundle of a gateway."""
        return self._folder / f"{gateway}.bundle"

    def install(self, gateway: str) -> None:
        """Install the present bundle for a gateway. Raises OSError."""
        BundleStore(self.path(gateway)).install(self._signed, self._bundle.manifest.name, self._version)

    def changed(self) -> bool:
        """Whether the file has changed and could be signed; `trouble` has the fault of one that could not."""
        if self.file is None:
            return False
        try:
            changed_ns = self.file.stat().st_mtime_ns
            if changed_ns == self._read_ns:
                return False
            self._read_ns = changed_ns
            campaign = load_campaign(self.file, self._bundle.schema).campaign
            if campaign == self._campaign:
                return False
            self._version += 1
            self._install(campaign)
        except (TomlFileError, BundleError, OSError) as error:
            self.trouble = str(error)
            return False
        self._campaign, self.trouble = campaign, ""
        return True

    def _install(self, campaign: Campaign) -> None:
        path = self._folder / "signed.bundle"
        draft = redrafted(self._bundle, campaign, self._version)
        write_bundle(path, self._key, draft)
        self._signed = path.read_bytes()
