"""Processes that end at a chosen change of a file, as at a power cut."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

CHANGES = ("fsync", "rename", "unlink", "rmdir", "chmod", "mkdir", "symlink")
CUT, FAILED = 77, 78


def is_cut(number: int, action: Callable[[], object]) -> bool:
    """Run `action` in a process that ends at once before its call `number` of CHANGES; False if it came to its end before."""
    child = os.fork()
    if child == 0:
        _run(number, action)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, CUT}, f"the action failed with code {code}"
    return code == CUT


def _run(number: int, action: Callable[[], object]) -> None:
    left = number

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*arguments: Any, **more: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                os._exit(CUT)
            return call(*arguments, **more)

        return instead

    for name in CHANGES:
        setattr(os, name, counted(getattr(os, name)))
    try:
        action()
    except BaseException:  # noqa: BLE001 - the parent sees the code
        os._exit(FAILED)
    os._exit(0)
