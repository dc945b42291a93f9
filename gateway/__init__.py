"""The device: the gateway and its commands. Start at `runtime/app.py`; README.md beside this file has the map."""
