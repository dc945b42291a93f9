"""Wire formats: one pure decoder per file, found by name through the entry points `wayside.decoders`."""
