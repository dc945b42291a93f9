-- Visits: open ones, and ended ones of people who consented to learning.

CREATE TABLE presences (
  subject TEXT NOT NULL,
  zone TEXT NOT NULL,
  entered_ms INTEGER NOT NULL,
  dwelled INTEGER NOT NULL,
  seen_ms INTEGER NOT NULL,
  due_at_ms INTEGER NOT NULL,
  confidence REAL NOT NULL,
  observations INTEGER NOT NULL,
  PRIMARY KEY (subject, zone)
) STRICT, WITHOUT ROWID;

CREATE TABLE visits (
  subject TEXT NOT NULL,
  entered_ms INTEGER NOT NULL,
  zone TEXT NOT NULL,
  left_ms INTEGER NOT NULL,
  confidence REAL NOT NULL,
  observations INTEGER NOT NULL,
  PRIMARY KEY (subject, entered_ms, zone)
) STRICT, WITHOUT ROWID;
CREATE INDEX visits_by_time ON visits (left_ms);
