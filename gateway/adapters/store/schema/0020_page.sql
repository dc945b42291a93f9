-- The newest counts that left, for the person's page.

-- offer: empty for the table `hours`; body: MessagePack of the record as it left, with its noise
CREATE TABLE shown_records (
  name TEXT NOT NULL,
  offer TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (name, offer)
) STRICT, WITHOUT ROWID;
