"""Patterns: counted right, pruned of what says nothing, worthless without a value."""
