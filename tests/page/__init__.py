"""Tests of the person's page."""
