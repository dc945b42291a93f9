-- History log of people who consented to learning: every fact that was folded into attributes, in order.

-- `number` counts a person's facts from 1; body: MessagePack of gateway.core.state.history.ConsentFact or FoldedFact; `day` is at_ms in whole
-- days, see the table `visits`
CREATE TABLE history (
  subject TEXT NOT NULL,
  number INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  body BLOB NOT NULL,
  day INTEGER NOT NULL,
  PRIMARY KEY (day, subject, number)
) STRICT, WITHOUT ROWID;
