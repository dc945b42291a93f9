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
