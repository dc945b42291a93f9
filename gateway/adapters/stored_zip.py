"""Zip files in which nothing is compressed and nothing hides: one content has exactly one sequence of bytes.

Sizes are what they say they are, so nothing unfolds. `read` writes the file anew from what it found and compares: a date, a comment, an
attribute, bytes before or after, whatever is not in `write`'s own form is refused.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Collection, Mapping

# What zipfile raises on bytes that are no zip: beside its own error also what its offsets lead to (seeks before the start, names in
# no encoding, methods and versions it does not know).
_FAULTS = (zipfile.BadZipFile, struct.error, EOFError, OSError, ValueError, OverflowError, RuntimeError)


class StoredZipError(ValueError):
    """The bytes are not a file of this form; the text says in what."""


def read(content: bytes, bytes_max: Mapping[str, int], optional: Collection[str] = ()) -> dict[str, bytes]:
    """The members, in the order of `bytes_max`: all of its names (those in `optional` may lack), each within its bound, and no other."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            _check(infos, bytes_max, optional)
            found = {info.filename: archive.read(info) for info in infos}
    except StoredZipError:
        raise
    except _FAULTS as error:
        raise StoredZipError(f"not a whole zip file ({str(error)[:120]})") from error
    members = {name: found[name] for name in bytes_max if name in found}
    if write(members) != content:
        raise StoredZipError("bytes stand in the zip that a bundle does not have")
    return members


def write(members: Mapping[str, bytes]) -> bytes:
    """A zip without compression, dates or attributes of the machine: the same members, the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def _check(infos: list[zipfile.ZipInfo], bytes_max: Mapping[str, int], optional: Collection[str]) -> None:
    """Before a byte of any member is read."""
    names = [info.filename for info in infos]
    needed = [name for name in bytes_max if name not in optional]
    if len(names) != len(set(names)) or not set(needed) <= set(names) <= set(bytes_max):
        also = f" (and may hold {', '.join(name for name in bytes_max if name in optional)})" if optional else ""
        raise StoredZipError(f"it must hold {', '.join(needed)}{also}, each once, and nothing else")
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > bytes_max[info.filename]:
            raise StoredZipError(f"{info.filename} is compressed or over {bytes_max[info.filename]} bytes")
