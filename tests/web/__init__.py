"""The dashboard, tested from outside: over HTTP, and in a real browser."""
