"""Formats that the config declares instead of a decoder: which part of a message is which quantity, in which unit."""
