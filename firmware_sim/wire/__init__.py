"""Messages on their way out: MQTT, pace, recordings, load, and the other end that counts."""
