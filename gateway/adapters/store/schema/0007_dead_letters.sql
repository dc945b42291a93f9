-- Messages that no decoder accepted: bounded, without content, for the operator. One row for each topic, decoder and reason; `at_ms`, `detail`
-- and `bytes` are those of the newest message, `count` is the number of all.

CREATE TABLE dead_letters (
  topic_hash BLOB NOT NULL,
  decoder TEXT NOT NULL,
  reason TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  detail TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (topic_hash, decoder, reason)
) STRICT, WITHOUT ROWID;
CREATE INDEX dead_letters_by_time ON dead_letters (at_ms);
