"""Adapters to MQTT, SQLite, ONNX Runtime, HTTP, bundle files and the clock; none imports another."""
