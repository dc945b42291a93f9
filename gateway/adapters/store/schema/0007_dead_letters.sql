-- Messages that no decoder accepted: bounded, without content, for the operator.

CREATE TABLE dead_letters (
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  decoder TEXT NOT NULL,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  topic_hash BLOB NOT NULL,
  bytes INTEGER NOT NULL
) STRICT;
