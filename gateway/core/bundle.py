"""Bundles as values: the signed manifest, the reasons to refuse a bundle, and an opened bundle.

`gateway.adapters.bundle` writes, signs and opens the file; `gateway.adapters.onnx_scorer` makes a scorer of a `LoadableModel`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from gateway.core import limits
from gateway.core.attributes.grouping import Mined
from gateway.core.attributes.groups import NO_GROUPS, Groups
from gateway.core.attributes.schema import Schema
from gateway.core.campaign.rules import Rules
from gateway.core.ids import Id
from gateway.core.learned import OfferPriors, Pattern
from gateway.core.offers import Campaign
from gateway.core.refusal import Refusal

Reason = Literal[
    "not_a_bundle",
    "bad_signature",
    "wrong_hash",
    "expired",
    "older_version",
    "other_series",
    "too_new_for_app",
    "bad_schema",
    "bad_campaign",
    "bad_patterns",
    "bad_groups",
    "bad_priors",
    "model_broken",
]
"""Reasons to refuse a bundle: a closed set, because they label a counter."""

ADVICE: Mapping[Reason, str] = {
    "not_a_bundle": "fetch the file again, or make it anew with `wayside-models bundle make`",
    "bad_signature": "use a bundle with a trusted signature, or add the signer's public key to bundle.trusted_keys",
    "wrong_hash": "the file was changed after it was signed: fetch it again",
    "expired": "install a newer bundle, or set the clock",
    "older_version": "install a newer bundle; to return to the previous one use `wayside bundle rollback`",
    "other_series": "install a bundle of the same series, or allow the change with --series",
    "too_new_for_app": "update Wayside on this gateway first",
    "bad_schema": "correct the schema, train the model on it and make the bundle anew",
    "bad_campaign": "correct the campaign file and make the bundle anew",
    "bad_patterns": "write the pattern file anew with `wayside-models rules` or `journeys`, which drop patterns without a value",
    "bad_groups": "correct the groups, or write them anew with `wayside-models value`, `segments`, `journeys`, `items` or `sure-thing`",
    "bad_priors": "write the priors anew with `wayside-models priors`, from a history of this campaign",
    "model_broken": "export the model and make the bundle anew",
}
"""Reason -> the way out."""


class BundleError(Refusal):
    """The bundle is refused: `reason` is for counting, `detail` for the log; the text adds the way out."""

    def __init__(self, reason: Reason, detail: str, *, place: str = "") -> None:
        super().__init__(f"{reason}: {detail}; {ADVICE[reason]}", place=place)
        self.reason: Reason = reason
        self.detail = detail


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hash and size of one member of the bundle."""

    sha256: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    bytes: Annotated[int, Meta(ge=0)]


CalibrationName = Literal["none", "sigmoid", "isotonic"]
"""How a model's scores were calibrated to probabilities."""


class NamedInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One input of shape (n, 1): texts of a category with these `values`, or without values float32 of the column called `name`."""

    name: Annotated[str, Meta(min_length=1, max_length=limits.INPUT_CHARS_MAX)]
    values: Annotated[tuple[str, ...], Meta(max_length=limits.VALUES_MAX)] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the schema that the input is made of."""
        return tuple(f"{self.name}_{value}" for value in self.values) or (self.name,)


class ModelEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ONNX model in the manifest: its inputs and output, opset, operators, calibration (None in a manifest without it).

    `columns` are columns of the schema. A model reads them in this order as one float32 matrix (n, len(columns)) called `input`, or, as
    skl2onnx writes a pipeline with a ColumnTransformer, as `inputs` of shape (n, 1). A model of uplift has a second output `untreated`: the
    probability of a purchase without the offer. Raises ValueError unless it has one of the two forms.
    """

    input: Annotated[str, Meta(min_length=1, max_length=limits.INPUT_CHARS_MAX)] | None = None
    inputs: Annotated[tuple[NamedInput, ...], Meta(max_length=limits.COLUMNS_MAX)] = ()
    output: Annotated[str, Meta(min_length=1, max_length=limits.INPUT_CHARS_MAX)]
    opset: Annotated[int, Meta(ge=1)]
    ops: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)]
    columns: Annotated[tuple[str, ...], Meta(min_length=1, max_length=limits.COLUMNS_MAX)]
    calibration: CalibrationName | None = None
    untreated: Annotated[str, Meta(min_length=1, max_length=limits.INPUT_CHARS_MAX)] | None = None

    def __post_init__(self) -> None:
        if (self.input is None) != bool(self.inputs):
            raise ValueError("a model has either one input of all columns or named inputs")
        if self.inputs and self.columns != tuple(column for one in self.inputs for column in one.columns):
            raise ValueError("the columns of a model are not those of its inputs")


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The signed part of a bundle. `version` counts up within the series `name`; `metrics` are measured figures, for display."""

    format: int
    name: Id
    version: Annotated[int, Meta(ge=1)]
    created_at_ms: int
    expires_at_ms: int
    app_min: Annotated[str, Meta(pattern=r"\A\d{1,6}\.\d{1,6}\.\d{1,6}\Z")]
    files: Annotated[dict[str, FileEntry], Meta(max_length=8)]
    model: ModelEntry
    metrics: Annotated[dict[str, float], Meta(max_length=64)]


class LoadableModel(msgspec.Struct, frozen=True, eq=False):
    """Everything that a scorer is made of: the ONNX model, its entry in the manifest, and parity rows with the answers it must give.

    `rows` are float32 of shape (n, columns), `expected` are float32 of shape (n,), computed where the model was made; so is `untreated`,
    the probabilities of a purchase without the offer, None of a model without that output.
    """

    onnx: bytes
    entry: ModelEntry
    rows: NDArray[np.float32]
    expected: NDArray[np.float32]
    untreated: NDArray[np.float32] | None = None


class Bundle(msgspec.Struct, frozen=True, eq=False):
    """An opened bundle: signed by a trusted key, complete and current; its schema has every column of its model.

    `rules` are the compiled rules of the campaign. `patterns`, `groups` and `priors` are None in a bundle without them.
    """

    manifest: Manifest
    model: LoadableModel
    schema: Schema
    campaign: Campaign
    rules: Rules
    patterns: tuple[Pattern, ...] | None
    priors: tuple[OfferPriors, ...] | None
    groups: Groups | None = None

    @property
    def positives(self) -> float:
        """Accepted offers behind the model (`rows` x `base_rate` of the manifest, 0 if not stated) and the priors."""
        metrics = self.manifest.metrics
        return metrics.get("rows", 0.0) * metrics.get("base_rate", 0.0) + sum(prior.taken for prior in self.priors or ())

    @property
    def mined(self) -> Mined:
        """Groups and patterns, for the attributes that are derived from them."""
        return Mined(self.groups or NO_GROUPS, self.patterns or ())
