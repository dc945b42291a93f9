"""Files of an export: readable by their owner only, and complete or absent."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def private_file(path: Path) -> Iterator[Path]:
    """The path of an empty draft with mode 0600, in a folder that is made with mode 0700. After the block it replaces `path`.

    If the block fails, the draft is deleted. Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.part")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
