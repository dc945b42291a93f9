-- People who consented. A device is named only in `contexts` and `identities`, and those rows exist only while a consent stands.

-- subject -> its context (compressed MessagePack of gateway.core.context.SubjectContext, without contacts). With rowids, because a row without
-- one that takes more than a fifth of a page lies on further pages, which each write touches.
CREATE TABLE contexts (
  subject TEXT PRIMARY KEY,
  expires_at_ms INTEGER,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX contexts_by_expiry ON contexts (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

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
