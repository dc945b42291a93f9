-- Facts about the database itself: name -> value. Times in all tables are integer milliseconds since 1970 (UTC).

CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;
