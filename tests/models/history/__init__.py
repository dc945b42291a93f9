"""The history: what is read, what is refused and counted, and what SQL derives from it."""
