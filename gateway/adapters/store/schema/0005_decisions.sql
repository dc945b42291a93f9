-- The decision log (caps, `wayside why` and answers read it), and triggers that the broker has not acknowledged.

-- arm: '' (silence), 'sent', 'held_out' or 'undelivered'; intended: the offer that was chosen, sent or not; policy: version and digest of
-- its parameters; seed: all draws of the decision follow from it; steady_ms: the time without the steps of the clock. The body comes last, so that the other columns are read without it:
-- MessagePack of gateway.core.policy.decision.Decision, compressed by zlib. Rows lie in the order of their writing: keyed by the random
-- id, each would be written to another page.
CREATE TABLE decisions (
  id TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  zone TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  reason TEXT NOT NULL,
  offer TEXT,
  answer TEXT,
  arm TEXT NOT NULL,
  intended TEXT,
  policy TEXT NOT NULL,
  seed INTEGER NOT NULL,
  steady_ms INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;

-- a person's contacts are found, the newest first, without a look at the silent decisions
CREATE INDEX decisions_by_subject ON decisions (subject, (intended IS NULL));
CREATE INDEX decisions_by_time ON decisions (at_ms);

-- id: the decision's; target: where the channel delivers (a phone's device id)
CREATE TABLE triggers (
  id TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  channel TEXT NOT NULL,
  target TEXT NOT NULL,
  offer TEXT NOT NULL,
  creative TEXT NOT NULL,
  zone TEXT NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
