"""An error of the operating system, as the refusal that all commands render."""

from __future__ import annotations

import errno

from gateway.core.refusal import Refusal

WAYS_OUT = {
    errno.EACCES: "run the command as the user of the gateway, or with sudo",
    errno.EPERM: "run the command as the user of the gateway, or with sudo",
    errno.ENOENT: "check its path",
    errno.ENOTDIR: "check its path",
    errno.EISDIR: "name a file in it",
    errno.EEXIST: "name a new file, or move the old one away",
    errno.ENOSPC: "free some space on its disk",
    errno.EROFS: "its disk can only be read: name a place on another one",
    errno.ECONNREFUSED: "start the server, or correct its address",
}


def of_system(error: OSError) -> Refusal:
    """The refusal of an error of the operating system that no command has named itself."""
    if error.errno is None or error.strerror is None:
        return Refusal(str(error))
    return Refusal(error.strerror, WAYS_OUT.get(error.errno, ""), place=str(error.filename or ""))
