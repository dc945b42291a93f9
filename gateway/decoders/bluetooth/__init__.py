"""Bluetooth LE advertisements, from every kind of gateway: beacons, BTHome, GATT and brands of sensors."""
