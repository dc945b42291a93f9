"""Tests of the pure centre, and of the store under it: no fake stands between the two."""
