"""A running site on one event loop: scanners, carried radios, phones and users, sensors and tills; recorded, live or described."""
