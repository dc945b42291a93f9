"""Zip files in a canonical form: nothing is compressed, and one content has exactly one sequence of bytes.

Without compression no member can expand beyond its stated size. `read` writes the file again from its members and compares the bytes,
so a date, a comment, an attribute, or bytes before or after the members are refused.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Collection, Mapping

# Exceptions of zipfile for bytes that are not a zip file: its own error, and those caused by wrong offsets, name encodings, methods and
# versions.
_FAULTS = (zipfile.BadZipFile, struct.error, EOFError, OSError, ValueError, OverflowError, RuntimeError)


class StoredZipError(ValueError):
    """The bytes are not a zip file in the canonical form; the text names the difference."""


def read(content: bytes, bytes_max: Mapping[str, int], optional: Collection[str] = ()) -> dict[str, bytes]:
    """The members in the order of `bytes_max`, which holds all allowed names with their size limits; `optional` ones may be missing.

    Raises StoredZipError for missing, additional or too large members, and for every other form of a zip file.
    """
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
        raise StoredZipError("the zip file is not in the canonical form (extra bytes, dates, comments or attributes)")
    return members


def write(members: Mapping[str, bytes]) -> bytes:
    """A zip file without compression, dates and file attributes: the same members give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def _check(infos: list[zipfile.ZipInfo], bytes_max: Mapping[str, int], optional: Collection[str]) -> None:
    """Check names, sizes and compression before any member is read. Raises StoredZipError."""
    names = [info.filename for info in infos]
    needed = [name for name in bytes_max if name not in optional]
    if len(names) != len(set(names)) or not set(needed) <= set(names) <= set(bytes_max):
        also = f" (optional: {', '.join(name for name in bytes_max if name in optional)})" if optional else ""
        raise StoredZipError(f"it must hold exactly {', '.join(needed)}{also}, each once")
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > bytes_max[info.filename]:
            raise StoredZipError(f"{info.filename} is compressed, or larger than {bytes_max[info.filename]} bytes")
