"""Planning tools, compared with published tables."""
