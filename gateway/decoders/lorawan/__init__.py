"""LoRaWAN: the uplinks of every network server, and the payloads of sensors that the server did not decode."""
