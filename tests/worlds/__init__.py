"""A shipped world in simulated time: its simulator and its gateways in one process, without broker and waiting."""
