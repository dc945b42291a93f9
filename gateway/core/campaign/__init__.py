"""Campaign files: form, units, and the checks that turn a file into the `Campaign` of a bundle."""
