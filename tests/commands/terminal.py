"""Runs a command in this process, with the code of the program `wayside`."""

from __future__ import annotations

from typing import NamedTuple

from typer.testing import CliRunner

from gateway.cli import app


class Said(NamedTuple):
    """Output and exit code of a command."""

    code: int
    out: str
    err: str

    def refusal(self, code: int) -> str:
        """The one error line on stderr; there must be no other output."""
        assert self.code == code, self
        assert self.out == "", self
        (line,) = self.err.splitlines()
        assert line.startswith("wayside: "), line
        return line.removeprefix("wayside: ")


def wayside(*words: object, typed: bytes | None = None) -> Said:
    """Run `wayside` with these arguments; exceptions that it does not handle are raised."""
    result = CliRunner().invoke(app, [str(word) for word in words], input=typed, catch_exceptions=False)
    return Said(result.exit_code, result.stdout, result.stderr)
