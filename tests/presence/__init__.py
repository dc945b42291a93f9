"""Presence, chosen by measurement on real radio and tried on simulated walks with that radio's noise."""
