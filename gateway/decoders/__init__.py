"""Decoders of wire formats, found by name through the entry points `wayside.decoders`."""
