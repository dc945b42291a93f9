-- Occasions of zones. No row names a person.

-- people in `zone` since before `at_ms` are decided for, in the order of their subject ids; `after`: the start of the last id taken
-- offers: MessagePack of a list of offer ids
CREATE TABLE firings (
  zone TEXT NOT NULL,
  occasion TEXT NOT NULL,
  offers BLOB NOT NULL,
  at_ms INTEGER NOT NULL,
  after TEXT NOT NULL,
  PRIMARY KEY (zone, occasion, offers)
) STRICT;

-- the side of a threshold on which the last value was
CREATE TABLE thresholds (
  zone TEXT NOT NULL,
  threshold TEXT NOT NULL,
  is_over INTEGER NOT NULL CHECK (is_over IN (0, 1)),
  PRIMARY KEY (zone, threshold)
) STRICT, WITHOUT ROWID;

-- times of day up to this one are handled
CREATE TABLE scheduled (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  until_ms INTEGER NOT NULL
) STRICT;

-- an external event lets `offer` be proposed in `zone` until `until_ms`
CREATE TABLE live (
  zone TEXT NOT NULL,
  offer TEXT NOT NULL,
  until_ms INTEGER NOT NULL,
  PRIMARY KEY (zone, offer)
) STRICT, WITHOUT ROWID;
