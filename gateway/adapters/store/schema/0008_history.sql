-- History log of people who consented to learning: every fact that was folded into attributes, in order.

-- `number` counts a person's facts from 1; body: MessagePack of gateway.core.state.history.ConsentFact or FoldedFact
CREATE TABLE history (
  subject TEXT NOT NULL,
  number INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (subject, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX history_by_time ON history (at_ms);
