"""Histories: rows read, refused and counted, and the tables derived from them by SQL."""
