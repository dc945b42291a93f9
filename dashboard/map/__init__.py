"""The map of a site: its plan from a file, and noised counts of each zone over time."""
