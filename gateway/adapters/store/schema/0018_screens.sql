-- Slots of the programmes of screens, with the proof of play. No row names a person.

-- basis: group (chosen for the people present as a group) or house; seconds: of one play
CREATE TABLE slots (
  id TEXT PRIMARY KEY,
  screen TEXT NOT NULL,
  zone TEXT NOT NULL,
  offer TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  basis TEXT NOT NULL,
  seconds INTEGER NOT NULL,
  plays INTEGER NOT NULL,
  played_s REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX slots_by_time ON slots (at_ms);
