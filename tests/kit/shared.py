"""Shared test data: real messages, texts and tables that are not part of the project.

It is in `../shared` beside the repository, or in the folder WAYSIDE_SHARED. Without it a test is skipped; under CI=true it fails, so that
a missing folder does not look like a success.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[2]


def shared_path(relative: str) -> Path:
    """The file or folder `relative` of the shared data; without it the test is skipped, or fails under CI=true."""
    path = Path(os.environ.get("WAYSIDE_SHARED") or _ROOT.parent / "shared") / relative
    if path.exists():
        return path
    reason = f"shared data {relative!r} is absent: set WAYSIDE_SHARED to the folder that holds it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def shared_messages(form: str) -> list[dict[str, Any]]:
    """The real messages of one format, as the lines of its file."""
    lines = shared_path(f"data/messages/{form}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]
