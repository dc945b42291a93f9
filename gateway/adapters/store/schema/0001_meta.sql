-- Facts about the database itself: name -> value. Times in all tables are integer milliseconds since 1970 (UTC).

CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- Dictionaries for the compression of rows (`gateway.adapters.store.words`): nothing about a person.
CREATE TABLE words (
  number INTEGER PRIMARY KEY,
  body BLOB NOT NULL
) STRICT;
