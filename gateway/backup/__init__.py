"""Backup of a gateway into one encrypted file, and its restoration (see README.md)."""
