-- The decision log (caps, `wayside why` and answers read it), and triggers that the broker has not acknowledged.

-- arm: '' (silence), 'sent', 'held_out' or 'undelivered'; intended: the offer that was chosen, sent or not; steady_ms: the time without the
-- steps of the clock, which rises with each row; body: the other fields of gateway.core.policy.decision.Decision, see
-- gateway.adapters.store.decision_rows. Rows lie in the order of their writing: keyed by the random id, each would be written to another page.
CREATE TABLE decisions (
  id TEXT NOT NULL,
  subject TEXT NOT NULL,
  zone TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  reason TEXT NOT NULL,
  offer TEXT,
  answer TEXT,
  arm TEXT NOT NULL,
  intended TEXT,
  steady_ms INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;

-- Nineteen of twenty decisions are for silence and are read by person or time only. An index of random ids costs a page for each row.
CREATE UNIQUE INDEX decisions_by_id ON decisions (id) WHERE (offer IS NOT NULL OR intended IS NOT NULL);
-- a person's contacts are found, the newest first, without a look at the silent decisions
CREATE INDEX decisions_by_subject ON decisions (subject, (intended IS NULL));

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
