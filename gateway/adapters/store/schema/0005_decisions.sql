-- The decision log (caps, `wayside why` and answers read it), and triggers that the broker has not acknowledged.

-- body: MessagePack of gateway.core.policy.decision.Decision
CREATE TABLE decisions (
  id TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  zone TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  reason TEXT NOT NULL,
  offer TEXT,
  answer TEXT,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX decisions_by_subject ON decisions (subject, at_ms);
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
