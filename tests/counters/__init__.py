"""Counters of people through decoder, router and engine."""
