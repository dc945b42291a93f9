"""The error of all steps of an import."""

from __future__ import annotations

from models.errors import ModelsError


class ImportedError(ModelsError):
    """The ONNX file cannot be the model of a bundle; the message names the part, the reason and the way out."""
