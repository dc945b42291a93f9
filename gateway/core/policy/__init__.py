"""Choosing: gates drop candidates with a reason, worth ranks the rest, silence is one of them."""
