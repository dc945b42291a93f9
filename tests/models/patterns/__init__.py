"""Patterns: counts, pruning, validation and value."""
