"""The encrypted file: any change, any loss and a wrong passphrase are noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.backup import container
from gateway.backup.container import CHUNK_BYTES, HEADER_BYTES, TAG_BYTES, BackupError, Opener, Sealer

RIGHT = "the passphrase"
SEALED_BYTES = CHUNK_BYTES + TAG_BYTES
START_BYTES = HEADER_BYTES + TAG_BYTES


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "SCRYPT_COST", 2)


def sealed(path: Path, content: bytes) -> Path:
    with path.open("wb") as file:
        sealer = Sealer(file, RIGHT)
        for start in range(0, len(content), 50_000):
            sealer.write(content[start : start + 50_000])
        sealer.finish()
    return path


def opened(path: Path, size: int, passphrase: str = RIGHT) -> bytes:
    with path.open("rb") as file:
        opener = Opener(file, passphrase)
        content = opener.read(size)
        opener.finish()
    return content


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_content_comes_back(tmp_path: Path, size: int) -> None:
    content = bytes(index % 251 for index in range(size))
    path = sealed(tmp_path / "one", content)
    assert opened(path, size) == content
    assert size < 64 or content[:64] not in path.read_bytes()


CONTENT = bytes(range(256)) * 600  # three chunks, the last one short


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "is no backup of Wayside"),
        (START_BYTES - 1, "is no backup of Wayside"),
        (START_BYTES, "holds less than it states"),
        (START_BYTES + 100, "ends early"),
        (START_BYTES + SEALED_BYTES, "ends early, or its last bytes are damaged: copy the whole file again"),
        (START_BYTES + SEALED_BYTES + 5, "ends early"),
        (START_BYTES + 2 * SEALED_BYTES, "ends early"),
        (-1, "ends early"),
    ],
)
def test_a_file_that_ends_early(tmp_path: Path, size: int, text: str) -> None:
    path = sealed(tmp_path / "one", CONTENT)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(BackupError, match=text):
        opened(path, len(CONTENT))


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (HEADER_BYTES - 3, "the passphrase is wrong, or the first bytes are damaged"),
        (HEADER_BYTES, "the passphrase is wrong, or the first bytes are damaged"),
        (START_BYTES + 9, f"is damaged at byte {START_BYTES}: use another copy"),
        (START_BYTES + SEALED_BYTES + 77, f"is damaged at byte {START_BYTES + SEALED_BYTES}"),
        (-1, "its last bytes are damaged"),
    ],
)
def test_a_changed_bit(tmp_path: Path, place: int, text: str) -> None:
    path = sealed(tmp_path / "one", CONTENT)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(BackupError, match=text):
        opened(path, len(CONTENT))


def test_chunks_that_change_places(tmp_path: Path) -> None:
    path = sealed(tmp_path / "one", CONTENT)
    content = path.read_bytes()
    first, second = (content[START_BYTES + at * SEALED_BYTES : START_BYTES + (at + 1) * SEALED_BYTES] for at in (0, 1))
    path.write_bytes(content[:START_BYTES] + second + first + content[START_BYTES + 2 * SEALED_BYTES :])
    with pytest.raises(BackupError, match="damaged"):
        opened(path, len(CONTENT))


def test_a_wrong_passphrase_and_another_size(tmp_path: Path) -> None:
    path = sealed(tmp_path / "one", CONTENT)
    with pytest.raises(BackupError, match="passphrase is wrong"):
        opened(path, 1, "another passphrase")
    with pytest.raises(BackupError, match="holds less than it states"):
        opened(path, len(CONTENT) + 1)
    with pytest.raises(BackupError, match="holds more than it states"):
        opened(path, len(CONTENT) - 1)
