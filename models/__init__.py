"""What runs on a workstation: from a table of answers to an evaluated, signed bundle. The map is in README.md beside this file."""
