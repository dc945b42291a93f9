"""MQTT connections, pace, recordings, load generators and a message counter."""
