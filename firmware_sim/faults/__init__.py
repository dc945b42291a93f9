"""What goes wrong on purpose: the knobs, when they are at work, and the stage between devices and the wire."""
