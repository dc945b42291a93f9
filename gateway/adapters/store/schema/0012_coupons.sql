-- Redemptions of coupons, of own tills and of other gateways. No row names a person.

-- `coupon` is a keyed hash of the decision; `decision` is NULL once the data of its person is deleted. `sale` is the till's boot and number.
CREATE TABLE redemptions (
  coupon BLOB NOT NULL,
  till TEXT NOT NULL,
  sale TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  gateway TEXT NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  decision TEXT,
  PRIMARY KEY (coupon, till, sale)
) STRICT, WITHOUT ROWID;
CREATE INDEX redemptions_by_decision ON redemptions (decision) WHERE decision IS NOT NULL;
CREATE INDEX redemptions_by_end ON redemptions (gateway, expires_at_ms);
CREATE INDEX redemptions_by_time ON redemptions (at_ms);
