-- Budgets of offers: what was spent, and what is reserved for proposed offers. No row names a person.

CREATE TABLE budgets (
  offer TEXT PRIMARY KEY,
  spent_minor INTEGER NOT NULL CHECK (spent_minor >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE reservations (
  decision TEXT PRIMARY KEY,
  offer TEXT NOT NULL,
  amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
  until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
