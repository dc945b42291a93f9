-- The way back of each later schema file, left by the program that applied it for an older one that has to undo it.

CREATE TABLE ways_back (
  number INTEGER PRIMARY KEY,
  script TEXT NOT NULL
) STRICT;
