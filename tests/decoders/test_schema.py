"""The published JSON Schema of Wayside v1 is the one that the decoder enforces."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.decoders.formats import wayside_v1

PUBLISHED = Path(wayside_v1.__file__).parent / "wayside_v1.schema.json"


def test_the_published_schema_is_the_enforced_one() -> None:
    written = json.dumps(wayside_v1.json_schema(), indent=2, ensure_ascii=False) + "\n"
    assert PUBLISHED.read_text(encoding="utf-8") == written, f"the payloads have changed: write json_schema() to {PUBLISHED.name}"
