"""The bundle at work: the model that is asked now, and when another takes its place.

A model that errs is not asked again; if there is a bundle before it, the desk goes back to that one by itself. What `wayside
bundle install` or `rollback` put on the shelf is taken up within a second, between two batches. A bundle that has expired
falls silent, unless nobody vouches for the clock. Whatever goes wrong here costs offers, never observations.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.adapters.bundle_store import BundleStore, BundleStoreError
from gateway.adapters.onnx_scorer import OnnxScorer, ScorerError, load_scorer
from gateway.core import limits
from gateway.core.bundle import Bundle, BundleError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from gateway.core.offers import Campaign

log = logging.getLogger("wayside")


class ModelSlot:
    """The scorer of a gateway (see `gateway.core.policy.choose.Scorer`), and the keeper of its bundle. Used by the writer thread."""

    def __init__(self, bundle: Bundle, bundle_store: BundleStore, reopen: Callable[[Path, int], Bundle]) -> None:
        """`reopen` verifies a bundle of the shelf at a moment. Raises ScorerError when the model cannot be used."""
        self.version = ""
        self._shelf = bundle_store
        self._reopen = reopen
        self._seen_ns = self._doubted_ns = bundle_store.changed_at_ns()
        self._scorer: OnnxScorer | None = None
        self._expires_at_ms = 0
        self._number = 0
        self._failed = False
        self._take(bundle)

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Propensities, or None while there is no sound model."""
        if self._scorer is None:
            return None
        try:
            return self._scorer.score(rows)
        except ScorerError as error:
            log.error("%s", error)  # noqa: TRY400 - one line is what the operator needs
            self._fall_silent()
            self._failed = True
            return None

    def look(self, now_ms: int) -> Campaign | None:
        """Asked every second: the campaign of another bundle that has become active, if one has."""
        if self._failed:
            self._failed = False
            self._go_back(now_ms)
        changed_ns = self._shelf.changed_at_ns()
        if changed_ns != self._seen_ns:
            return self._reload(now_ms, changed_ns)
        if self._scorer is not None and now_ms >= max(self._expires_at_ms, limits.CLOCK_FLOOR_MS):
            log.error("bundle %s has expired; offers stay silent until a newer one is installed", self.version)
            self._fall_silent()
        return None

    def _reload(self, now_ms: int, changed_ns: int) -> Campaign | None:
        try:
            if not self._shelf.is_tried():
                self._doubt(changed_ns)
                return None
            self._seen_ns = changed_ns
            bundle = self._reopen(self._shelf.active, now_ms)
            self._take(bundle)
        except (BundleError, ScorerError, BundleStoreError, OSError) as error:
            log.error("the bundle that was installed is not taken up: %s", error)  # noqa: TRY400 - as above
            return None
        log.info("bundle %s is at work", self.version)
        return bundle.campaign

    def _doubt(self, changed_ns: int) -> None:
        """A rollback writes its note first, so the next look may find it done: until then it is asked again, and told once."""
        if changed_ns != self._doubted_ns:
            self._doubted_ns = changed_ns
            log.warning("%s is not (yet) what was installed last: install it, or start anew to have it tried", self._shelf.active)

    def _take(self, bundle: Bundle) -> None:
        self._scorer = load_scorer(bundle.model)
        self._expires_at_ms = bundle.manifest.expires_at_ms
        self._number = bundle.manifest.version
        self.version = f"{bundle.manifest.name}-{bundle.manifest.version}"

    def _fall_silent(self) -> None:
        self._scorer, self.version = None, ""

    def _go_back(self, now_ms: int) -> None:
        """From the newest bundle to the one before, never further: two broken ones must not take turns.

        Nor to one that has expired meanwhile: it would be as silent, and hide which bundle has to be replaced.
        """
        try:
            notes = self._shelf.notes()
            if notes is not None and self._number == notes.version_max:
                if self._shelf.previous.exists():
                    self._reopen(self._shelf.previous, now_ms)
                self._shelf.roll_back()
        except (BundleError, BundleStoreError, OSError) as error:
            log.error("no way back: %s", error)  # noqa: TRY400 - as above
