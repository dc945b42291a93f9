-- Outcomes of the offers that decisions chose: windows that are open, outcomes of closed ones.

-- body: MessagePack of gateway.core.state.outcomes.Window; `until_ms` here is the one that counts
CREATE TABLE windows (
  decision TEXT PRIMARY KEY,
  until_ms INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- outcome: redeemed, accepted, dismissed, opened, shown or none; visited: the person dwelled in the offer's shop within the window;
-- amount_minor: of the purchase that redeemed the offer, else 0
CREATE TABLE outcomes (
  decision TEXT PRIMARY KEY,
  closed_at_ms INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  visited INTEGER NOT NULL,
  amount_minor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER outcome_of_deleted_decision AFTER DELETE ON decisions BEGIN
  DELETE FROM windows WHERE decision = OLD.id;
  DELETE FROM outcomes WHERE decision = OLD.id;
END;
