-- Incidents: a zone (`*` for all) is silent until `until_ms`. No row names a person.

CREATE TABLE incidents (
  zone TEXT PRIMARY KEY,
  until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
