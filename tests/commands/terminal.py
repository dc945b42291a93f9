"""Typing a command and looking at what comes of it, in this process: the same code as the program `wayside`."""

from __future__ import annotations

from typing import NamedTuple

from typer.testing import CliRunner

from gateway.cli import app


class Said(NamedTuple):
    """What a command left on the screen, and its exit code."""

    code: int
    out: str
    err: str

    def refusal(self, code: int) -> str:
        """The one line on stderr with which a command refused; nothing else may have been said."""
        assert self.code == code, self
        assert self.out == "", self
        (line,) = self.err.splitlines()
        assert line.startswith("wayside: "), line
        return line.removeprefix("wayside: ")


def wayside(*words: object, typed: bytes | None = None) -> Said:
    """Run `wayside` with these words; what it does not handle itself comes out here as it is."""
    result = CliRunner().invoke(app, [str(word) for word in words], input=typed, catch_exceptions=False)
    return Said(result.exit_code, result.stdout, result.stderr)
