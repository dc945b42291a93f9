-- The consent register: the grants of each person, by purpose. A context without a row here is read without the purpose.

-- `change` is the app's number of the change of the consent; `version` and `wording` are those of the text that was shown
CREATE TABLE register (
  subject TEXT NOT NULL,
  purpose TEXT NOT NULL,
  change INTEGER,
  version INTEGER NOT NULL,
  wording TEXT,
  source TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER,
  PRIMARY KEY (subject, purpose)
) STRICT, WITHOUT ROWID;
