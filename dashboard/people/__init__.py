"""Accounts of the desk: passwords, sessions, roles, and the audit log."""
