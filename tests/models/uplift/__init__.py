"""Tests of uplift."""
