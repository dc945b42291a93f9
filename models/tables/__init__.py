"""Readers of published tables, one file each, into situations or arrays; rows left out are counted by reason."""
