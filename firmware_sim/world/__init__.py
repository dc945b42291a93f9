"""The environment: zones, walls, routes, opening hours, time and weather."""
