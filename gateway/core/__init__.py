"""The pure centre: no clock, no chance, no I/O. Time, draws and scores arrive as arguments."""
