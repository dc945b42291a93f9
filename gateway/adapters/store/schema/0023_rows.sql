-- Decisions, facts and learned values as rows in the order of their writing, found by an index: a commit writes few pages. Keyed by a
-- random id, each row with its body was a part of the search tree, which grew deep with the log.

-- The body comes last, so that the other columns are read without it. body: MessagePack of gateway.core.policy.decision.Decision, compressed by zlib

CREATE TABLE decision_rows (
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
  body BLOB NOT NULL
) STRICT;
INSERT INTO decision_rows SELECT id, subject, zone, at_ms, reason, offer, answer, arm, intended, policy, seed, deflated(body) FROM decisions
ORDER BY at_ms;
DROP TABLE decisions;
ALTER TABLE decision_rows RENAME TO decisions;

-- `intended` is in the index, so a person's contacts are found without a look at the silent decisions
CREATE INDEX decisions_by_subject ON decisions (subject, at_ms, intended);
CREATE INDEX decisions_by_time ON decisions (at_ms);

CREATE TRIGGER outcome_of_deleted_decision AFTER DELETE ON decisions BEGIN
  DELETE FROM windows WHERE decision = OLD.id;
  DELETE FROM outcomes WHERE decision = OLD.id;
END;

CREATE TABLE fact_rows (
  envelope BLOB PRIMARY KEY,
  kind TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  subject TEXT,
  zone TEXT,
  decision TEXT,
  detail TEXT,
  amount_minor INTEGER,
  items BLOB
) STRICT;
INSERT INTO fact_rows SELECT envelope, kind, at_ms, subject, zone, decision, detail, amount_minor, items FROM facts ORDER BY at_ms;
DROP TABLE facts;
ALTER TABLE fact_rows RENAME TO facts;
CREATE INDEX facts_by_subject ON facts (subject) WHERE subject IS NOT NULL;
CREATE INDEX facts_by_decision ON facts (decision) WHERE decision IS NOT NULL;
CREATE INDEX facts_by_time ON facts (at_ms);

CREATE TABLE learned_rows (
  key TEXT PRIMARY KEY,
  body BLOB NOT NULL
) STRICT;
INSERT INTO learned_rows SELECT key, body FROM learned;
DROP TABLE learned;
ALTER TABLE learned_rows RENAME TO learned;
