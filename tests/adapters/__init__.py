"""The adapters, each against the real thing that it adapts."""
