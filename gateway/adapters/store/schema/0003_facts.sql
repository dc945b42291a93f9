-- Facts, once each, and the last withdrawal of each boot of a device.

-- `envelope` is a keyed hash of (device, boot, seq); `items` the lines of a purchase, if the till stated them: MessagePack of a list of
-- gateway.core.types.Item; `reason` the reason that a person stated with a refusal. Rows lie in the order of their writing: keyed by the
-- hash, each would be written to another page.
CREATE TABLE facts (
  envelope BLOB PRIMARY KEY,
  kind TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  subject TEXT,
  zone TEXT,
  decision TEXT,
  detail TEXT,
  amount_minor INTEGER,
  items BLOB,
  reason TEXT
) STRICT;
CREATE INDEX facts_by_subject ON facts (subject) WHERE subject IS NOT NULL;
CREATE INDEX facts_by_decision ON facts (decision) WHERE decision IS NOT NULL;
CREATE INDEX facts_by_time ON facts (at_ms);

-- `start` is a keyed hash of (device, boot); `seq` is the envelope's. An earlier consent that arrives late does not undo a withdrawal.
CREATE TABLE withdrawals (
  start BLOB PRIMARY KEY,
  seq INTEGER NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX withdrawals_by_time ON withdrawals (at_ms);
