"""What many formats have in common: ids, names of quantities, units, times, and payloads of text or XML."""
