"""LoRaWAN: the uplinks of all network servers, and payloads of sensors that a server did not decode."""
