-- The person's page: the reason that a person stated with an answer, and the newest records that were released, to be shown there.

ALTER TABLE facts ADD COLUMN reason TEXT;

-- offer: empty for the table `hours`; body: MessagePack of the record as it left, with its noise
CREATE TABLE shown_records (
  name TEXT NOT NULL,
  offer TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (name, offer)
) STRICT, WITHOUT ROWID;
