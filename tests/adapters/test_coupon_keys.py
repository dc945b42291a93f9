"""Key files of coupons: made once, readable by their owner alone, and refused by name where they are something else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.adapters.coupon_keys import open_signer, read_keys


def test_a_key_is_made_once_with_its_public_key(tmp_path: Path) -> None:
    path = tmp_path / "new" / "coupons.key"
    made = open_signer(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    signature = made.sign(b"content")
    assert open_signer(path).sign(b"content") == signature
    keys = read_keys([path.with_name("coupons.key.pub")])
    assert keys.verify(made.key_id, b"content", signature) is True
    assert keys.verify(made.key_id, b"other", signature) is False
    assert keys.verify(b"none", b"content", signature) is None


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "coupons.key"
    open_signer(path)
    path.chmod(0o640)
    with pytest.raises(ValueError, match="chmod 600"):
        open_signer(path)


@pytest.mark.parametrize("content", [b"", b"a key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "coupons.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ValueError, match="no Ed25519 private key"):
        open_signer(path)
