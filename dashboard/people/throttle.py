"""Rate limits: at most so many failures of one key within a time; the memory is bounded."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from dashboard import limits


class Throttle:
    """Counts failures by key (an address or an account); used on one event loop."""

    def __init__(self, most: int, within_s: int, now_ms: Callable[[], int]) -> None:
        self._most = most
        self._within_ms = within_s * 1000
        self._now_ms = now_ms
        self._failures: OrderedDict[str, deque[int]] = OrderedDict()

    def wait_s(self, key: str) -> int:
        """Seconds until `key` may try again; 0 now."""
        found = self._failures.get(key)
        if not found or len(found) < self._most:
            return 0
        left_ms = found[0] + self._within_ms - self._now_ms()
        return max(0, -(-left_ms // 1000))

    def failed(self, key: str) -> None:
        """Count a failure; the key that failed longest ago is forgotten when there are too many."""
        self._failures.setdefault(key, deque(maxlen=self._most)).append(self._now_ms())
        self._failures.move_to_end(key)
        if len(self._failures) > limits.THROTTLED_KEYS_MAX:
            self._failures.popitem(last=False)

    def forget(self, key: str) -> None:
        """Forget the failures of a key, after a success."""
        self._failures.pop(key, None)
