"""The planning tools against published tables."""
