"""The cloud side of Wayside: collects the records of gateways and shows their sums."""
