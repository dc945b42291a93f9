"""One wire format a file, each with its `DECODER`, and what several files of a family share."""
