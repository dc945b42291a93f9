"""Updates of the program: signed releases, two slots, a trial of each new version, and the way back (see README.md)."""
