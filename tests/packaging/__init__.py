"""The Debian package and the service of the gateway."""
