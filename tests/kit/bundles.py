"""Signed bundles with a tiny model: high propensity near the shop, low propensity far from it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper

from gateway.adapters.bundle import Draft, public_key_line, write_bundle
from gateway.adapters.onnx_scorer import OnnxScorer
from gateway.core.attributes.groups import Groups
from gateway.core.attributes.schema import Schema
from gateway.core.bundle import LoadableModel, ModelEntry
from gateway.core.learned import OfferPriors, Pattern
from gateway.core.offers import Campaign, Offer, Policy
from tests.kit.attributes import COLUMNS, SCHEMA

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
YEAR_2026_MS, YEAR_2090_MS = 1_767_225_600_000, 3_786_912_000_000
NEAR_MIN = 10.0  # minutes to walk; up to it the propensity is 0.8, beyond it 0.2


class BundleFiles(NamedTuple):
    """Paths of a bundle and of the public key file for its signature."""

    bundle: Path
    keys: Path


def tiny_campaign(**policy: object) -> Campaign:
    """One offer for the plaza, on entering, without quiet hours and with high caps; `policy` replaces fields of the policy."""
    rules: dict[str, object] = {"per_person_day_max": 60, "gap_s_min": 0, "quiet_from": 0, "quiet_until": 0, "contact_cost_minor": 0.0}
    offer = Offer(
        id="flat-white",
        category="coffee_house",
        zones=("plaza",),
        shop="cafe",
        value_minor=500,
        starts_ms=YEAR_2026_MS,
        ends_ms=YEAR_2090_MS,
        expiry_hours=2.0,
        title="A flat white, one euro off",
        per_person_day_max=60,
    )
    return Campaign((offer,), Policy(**(rules | policy)))  # type: ignore[arg-type]  # fields of Policy by name


def tiny_model(columns: tuple[str, ...] = COLUMNS, split: str = "travel") -> tuple[bytes, ModelEntry]:
    """One tree with one split, at NEAR_MIN of one column, then a sigmoid."""
    likely, unlikely = float(np.log(4.0)), float(-np.log(4.0))
    tree = helper.make_node(
        "TreeEnsembleRegressor",
        ["rows"],
        ["log_odds"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_featureids=[columns.index(split), 0, 0],
        nodes_values=[NEAR_MIN, 0.0, 0.0],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        nodes_missing_value_tracks_true=[1, 0, 0],
        target_treeids=[0, 0],
        target_nodeids=[1, 2],
        target_ids=[0, 0],
        target_weights=[likely, unlikely],
    )
    graph = helper.make_graph(
        [tree, helper.make_node("Sigmoid", ["log_odds"], ["propensity"])],
        "tiny",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, len(columns)])],
        [helper.make_tensor_value_info("propensity", TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    ops = ("Sigmoid", "ai.onnx.ml.TreeEnsembleRegressor")
    entry = ModelEntry(input="rows", output="propensity", opset=17, ops=ops, columns=columns, calibration="none")
    return model, entry


def make_bundle(
    folder: Path,
    campaign: Campaign | None = None,
    *,
    signed_by: Ed25519PrivateKey = KEY,
    version: int = 1,
    name: str = "tiny",
    expires_at_ms: int = YEAR_2090_MS,
    expected: float | None = None,
    patterns: tuple[Pattern, ...] | None = None,
    priors: tuple[OfferPriors, ...] | None = None,
    groups: Groups | None = None,
    schema: Schema = SCHEMA,
    columns: tuple[str, ...] = COLUMNS,
    split: str = "travel",
) -> BundleFiles:
    """A bundle beside the file of the trusted key (that of KEY); a factor `expected` makes its parity answers wrong."""
    model, entry = tiny_model(columns, split)
    rows = np.random.default_rng(0).uniform(0.0, 2 * NEAR_MIN, (16, len(columns))).astype(np.float32)
    answers = OnnxScorer(model, entry).score(rows)
    draft = Draft(
        name=name,
        version=version,
        created_at_ms=YEAR_2026_MS,
        expires_at_ms=expires_at_ms,
        model=LoadableModel(model, entry, rows, answers if expected is None else (answers * np.float32(expected)).astype(np.float32)),
        schema=schema,
        campaign=campaign or tiny_campaign(),
        metrics={},
        patterns=patterns,
        priors=priors,
        groups=groups,
    )
    files = BundleFiles(folder / "tiny.bundle", folder / "tiny.pub")
    write_bundle(files.bundle, signed_by, draft)
    files.keys.write_text(public_key_line(KEY.public_key()) + "\n", "utf-8")
    return files
