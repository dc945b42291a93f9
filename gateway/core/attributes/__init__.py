"""Attributes: declared once in the schema of a bundle; values are folded from facts and read for a decision."""
