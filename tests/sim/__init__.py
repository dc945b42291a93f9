"""The simulated street: same seed same bytes, formats as published, people and radio as promised."""
