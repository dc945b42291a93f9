"""Thousands of devices without a street: made, run at a pace, measured, said again."""
