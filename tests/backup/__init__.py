"""Tests of backup and restoration."""
