"""Wire formats, one a file with its `DECODER`, and modules that several formats of a family share."""
