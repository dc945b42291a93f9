"""What runs on the device. Start at `app.py`; the map is in README.md beside this file."""
