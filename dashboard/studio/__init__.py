"""The campaign of the fleet: written, signed off, published to rings of gateways, stopped and rolled back."""
