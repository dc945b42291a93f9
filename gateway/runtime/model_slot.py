"""The model slot: holds the scorer of the active bundle and replaces it when another bundle becomes active.

After a scoring error the model is unloaded, and the slot rolls back to the previous bundle if there is one. Bundles made active by
`wayside bundle install` or `rollback` are loaded within a second, between two batches. The model of an expired bundle is unloaded, unless
the clock is not set. Without a model no offers are sent; observations and facts are processed as before.
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

log = logging.getLogger("wayside")


class ModelSlot:
    """The scorer of a gateway (see `gateway.core.policy.choose.Scorer`), with hot reload of its bundle. Used by the writer thread."""

    def __init__(self, bundle: Bundle, bundle_store: BundleStore, reopen: Callable[[Path, int], Bundle]) -> None:
        """`reopen(path, now_ms)` opens and verifies an installed bundle. Raises ScorerError if the model cannot be used."""
        self._name = ""
        self._is_expired = False
        self._store = bundle_store
        self._reopen = reopen
        self._seen_ns = self._reported_ns = bundle_store.changed_at_ns()
        self._scorer: OnnxScorer | None = None
        self._expires_at_ms = 0
        self._version_number = 0
        self._failed = False
        self._load(bundle)

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Propensities, float32 (n,), or None without a usable model."""
        return self._answered(lambda scorer: scorer.score(rows))

    def untreated(self, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Probabilities of a purchase without the offer, float32 (n,), or None without a usable model of uplift."""
        return self._answered(lambda scorer: scorer.untreated(rows))

    def _answered(self, ask: Callable[[OnnxScorer], NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
        if self._scorer is None or self._is_expired:
            return None
        try:
            return ask(self._scorer)
        except ScorerError as error:
            log.error("%s", error)  # noqa: TRY400 - one line without traceback
            self._unload()
            self._failed = True
            return None

    def poll(self, now_ms: int) -> Bundle | None:
        """Load another bundle that became active, and return it; None if there is none. Called every second."""
        if self._failed:
            self._failed = False
            self._roll_back(now_ms)
        changed_ns = self._store.changed_at_ns()
        if changed_ns != self._seen_ns:
            return self._reload(now_ms, changed_ns)
        is_expired = now_ms >= max(self._expires_at_ms, limits.CLOCK_FLOOR_MS)
        if self._scorer is not None and is_expired != self._is_expired:
            if is_expired:
                log.error("bundle %s has expired; no offers are sent until a newer one is installed", self._name)
            else:
                log.warning("bundle %s is valid again: the clock was set back", self._name)
        self._is_expired = is_expired
        return None

    @property
    def version(self) -> str:
        """Name and version of the bundle in use; empty without one, and while it is expired."""
        return self._name if self._scorer is not None and not self._is_expired else ""

    def _reload(self, now_ms: int, changed_ns: int) -> Bundle | None:
        try:
            if not self._store.is_checked():
                self._report_unchecked(changed_ns)
                return None
            self._seen_ns = changed_ns
            bundle = self._reopen(self._store.active, now_ms)
            self._load(bundle)
        except (BundleError, ScorerError, BundleStoreError, OSError) as error:
            log.error("the installed bundle cannot be loaded: %s", error)  # noqa: TRY400 - as above
            return None
        log.info("bundle %s is loaded", self.version)
        return bundle

    def _report_unchecked(self, changed_ns: int) -> None:
        """Log once that the active bundle is not the installed one; during a rollback this lasts until its next step."""
        if changed_ns != self._reported_ns:
            self._reported_ns = changed_ns
            log.warning("%s is not the bundle that was installed last: install it, or restart the gateway to check it", self._store.active)

    def _load(self, bundle: Bundle) -> None:
        self._scorer = load_scorer(bundle.model)
        self._expires_at_ms = bundle.manifest.expires_at_ms
        self._version_number = bundle.manifest.version
        self._name = f"{bundle.manifest.name}-{bundle.manifest.version}"
        self._is_expired = False

    def _unload(self) -> None:
        self._scorer = None

    def _roll_back(self, now_ms: int) -> None:
        """Roll back from the newest bundle to the previous one, and not further, so that two broken bundles do not alternate.

        Not to an expired one either: it would send no offers, and hide which bundle has to be replaced.
        """
        try:
            state = self._store.state()
            if state is not None and self._version_number == state.version_max:
                if self._store.previous.exists():
                    self._reopen(self._store.previous, now_ms)
                self._store.roll_back()
        except (BundleError, BundleStoreError, OSError) as error:
            log.error("cannot roll back: %s", error)  # noqa: TRY400 - as above
