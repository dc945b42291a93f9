-- Counters of people by zone (`*` for the whole site): totals, passages of the last hour, and the balance of the doors. No row names a person.

CREATE TABLE counters (
  zone TEXT PRIMARY KEY,
  counting BLOB NOT NULL
) STRICT, WITHOUT ROWID;
