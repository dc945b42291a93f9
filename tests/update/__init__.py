"""Tests of updates of the program."""
