"""Bluetooth LE advertisements, whichever gateway received them: beacons, BTHome, GATT and brands of sensors."""
