-- Counts that leave: contacts of the open service day, what was released, and the ledger of epsilon.

-- One row for each contact that counts, until the days of its table are over. `contributor` is a keyed hash of (day, device): after a withdrawal
-- the other columns are NULL, and the row still uses up one of the person's contacts of the day.
CREATE TABLE contacts (
  name TEXT NOT NULL,
  contributor BLOB NOT NULL,
  number INTEGER NOT NULL CHECK (number BETWEEN 1 AND 16),
  subject TEXT,
  zone TEXT,
  offer TEXT,
  outcome TEXT,
  PRIMARY KEY (name, contributor, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX contacts_by_subject ON contacts (subject) WHERE subject IS NOT NULL;

-- A table and period, from start_ms to end_ms, is released at most once. `lost` is 1 for a release that is known only from the file of
-- marks: this database was restored from an older copy.
CREATE TABLE releases (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  start_ms INTEGER NOT NULL,
  end_ms INTEGER NOT NULL CHECK (end_ms > start_ms),
  day_start_ms INTEGER NOT NULL,
  lost INTEGER NOT NULL DEFAULT 0,
  UNIQUE (name, start_ms)
) STRICT;
CREATE INDEX releases_by_day ON releases (day_start_ms);

-- Epsilon in millionths, by service day and table: a table spends its share of a day once, in however many windows it leaves, and a table
-- of several days spends it on each of them. `closed` is 1 once the used contacts of the day in `hours` are deleted.
CREATE TABLE ledger (
  day_start_ms INTEGER PRIMARY KEY,
  budget INTEGER NOT NULL CHECK (budget > 0),
  hours INTEGER NOT NULL DEFAULT 0 CHECK (hours >= 0),
  offers INTEGER NOT NULL DEFAULT 0 CHECK (offers >= 0),
  control INTEGER NOT NULL DEFAULT 0 CHECK (control >= 0),
  closed INTEGER NOT NULL DEFAULT 0,
  CHECK (hours + offers + control <= budget)
) STRICT;
