"""The base class of the errors that a `wayside-models` command prints as one line."""

from __future__ import annotations


class ModelsError(ValueError):
    """Input cannot be used; the message names the cause and the remedy. The command line prints it and exits with 1."""
