-- Records waiting to leave.

-- `batch` is set when a batch is cut; from then on its bytes do not change. `quarantined` is 1 for a batch that the cloud refuses as it
-- is: it waits for a restart, out of the way of the others.
CREATE TABLE outbox (
  id TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  batch TEXT,
  quarantined INTEGER NOT NULL DEFAULT 0,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX outbox_by_position ON outbox (position);

-- The newest counts that left, for the page of a person.
-- offer: empty for the table `hours`; body: MessagePack of the record as it left, with its noise
CREATE TABLE shown_records (
  name TEXT NOT NULL,
  offer TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (name, offer)
) STRICT, WITHOUT ROWID;
