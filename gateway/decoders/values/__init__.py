"""Shared by many formats: ids, names of quantities, units, times, and payloads of text or XML."""
