"""One file for each world outside: MQTT, SQLite, ONNX Runtime, HTTP, the clock. None knows another."""
