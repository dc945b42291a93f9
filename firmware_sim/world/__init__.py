"""Where things are and what the clock shows: what nobody in a scenario can change."""
