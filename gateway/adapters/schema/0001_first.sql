-- What one gateway remembers. Times are integer milliseconds since 1970 (UTC).
-- A device is never named outside `contexts` and `identities`, and those rows exist only while a consent stands.
-- Visits, decisions, facts and withdrawals are kept for the days that the config's [retention] says, and then purged.

CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- subject -> its context (MessagePack of gateway.core.context.SubjectContext, without contacts)
CREATE TABLE contexts (
  subject TEXT PRIMARY KEY,
  expires_at_ms INTEGER,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX contexts_by_expiry ON contexts (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

-- The last no of each start of a device, so that an earlier yes which arrives late does not undo it.
-- `start` is a keyed hash of (device, boot); `seq` counts what the device has said since that start.
CREATE TABLE withdrawals (
  start BLOB PRIMARY KEY,
  seq INTEGER NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX withdrawals_by_time ON withdrawals (at_ms);

-- device or tag of a consenting person -> subject
CREATE TABLE identities (
  mover TEXT PRIMARY KEY,
  subject TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX identities_by_subject ON identities (subject);

-- identity resolving key (32 hex digits) of a consenting person's device -> subject
CREATE TABLE keys (
  key TEXT PRIMARY KEY,
  subject TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_subject ON keys (subject);

-- people who are in a zone now
CREATE TABLE presences (
  subject TEXT NOT NULL,
  zone TEXT NOT NULL,
  entered_ms INTEGER NOT NULL,
  dwelled INTEGER NOT NULL,
  seen_ms INTEGER NOT NULL,
  due_at_ms INTEGER NOT NULL,
  confidence REAL NOT NULL,
  heard INTEGER NOT NULL,
  PRIMARY KEY (subject, zone)
) STRICT, WITHOUT ROWID;

-- visits that have ended, of people who said yes to being learned from
CREATE TABLE visits (
  subject TEXT NOT NULL,
  entered_ms INTEGER NOT NULL,
  zone TEXT NOT NULL,
  left_ms INTEGER NOT NULL,
  confidence REAL NOT NULL,
  heard INTEGER NOT NULL,
  PRIMARY KEY (subject, entered_ms, zone)
) STRICT, WITHOUT ROWID;
CREATE INDEX visits_by_time ON visits (left_ms);

-- facts, once each: `envelope` is a keyed hash of (device, boot, seq)
CREATE TABLE facts (
  envelope BLOB PRIMARY KEY,
  kind TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  subject TEXT,
  zone TEXT,
  decision TEXT,
  detail TEXT,
  amount_minor INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX facts_by_subject ON facts (subject) WHERE subject IS NOT NULL;
CREATE INDEX facts_by_decision ON facts (decision) WHERE decision IS NOT NULL;
CREATE INDEX facts_by_time ON facts (at_ms);

-- the decision log: caps, `wayside why` and answers all read it (body: MessagePack of Decision)
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

-- triggers that are not yet with the broker
CREATE TABLE triggers (
  decision TEXT PRIMARY KEY,
  device TEXT NOT NULL,
  offer TEXT NOT NULL,
  zone TEXT NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- counts of the window that is open now; nothing here has left
CREATE TABLE cells (
  zone TEXT NOT NULL,
  offer TEXT NOT NULL,
  kind TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (zone, offer, kind)
) STRICT, WITHOUT ROWID;

-- records waiting to leave; `batch` is set when one is cut, and from then on its bytes do not change;
-- `aside` is 1 for a batch that the cloud will never take as it is: it waits for a restart, not in the way of the others
CREATE TABLE outbox (
  id TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  batch TEXT,
  aside INTEGER NOT NULL DEFAULT 0,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX outbox_by_position ON outbox (position);

-- messages that no decoder accepted, bounded, for the operator; never a person's
CREATE TABLE dead_letters (
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  decoder TEXT NOT NULL,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  topic_hash BLOB NOT NULL,
  bytes INTEGER NOT NULL
) STRICT;
