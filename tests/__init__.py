"""Tests, a folder for each room of the house; shared helpers live in `tests/kit`."""
