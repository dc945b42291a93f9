"""Refusal of a request: an HTTP status and one line, which never quotes the request.

A request may hold anything, such as a name or an e-mail address in the wrong field. A quoted value
would be copied into the logs of both sides, so the lines are fixed texts of this project.
"""

from __future__ import annotations


class Refused(Exception):  # noqa: N818  a refusal is an expected response, not an error of the program
    """Ends a request with HTTP status `status` and the text `line`, which quotes nothing of the request."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status
        self.line = line
