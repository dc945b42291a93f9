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

-- `day` is left_ms in whole days. Rows lie by day, so that those of a day are written and deleted together without an index by time; the rows
-- of a person are looked for in each day.
CREATE TABLE visits (
  subject TEXT NOT NULL,
  entered_ms INTEGER NOT NULL,
  zone TEXT NOT NULL,
  left_ms INTEGER NOT NULL,
  confidence REAL NOT NULL,
  observations INTEGER NOT NULL,
  day INTEGER NOT NULL,
  PRIMARY KEY (day, subject, entered_ms, zone)
) STRICT, WITHOUT ROWID;
