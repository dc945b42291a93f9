"""The one family of errors that the workstation's commands end with: a line that names the cause and the way out."""

from __future__ import annotations


class ModelsError(ValueError):
    """What was given cannot be used. Each room has its own kind; the command line shows the text and leaves with 1."""
