"""A street wired to one clockwork: who hears, who advertises, the app and its owner, sensors and tills; recorded, live, described."""
