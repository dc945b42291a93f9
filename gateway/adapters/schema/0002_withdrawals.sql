-- The last no of each start of a device, so that an earlier yes which arrives late does not undo it.
-- `start` is a keyed hash of (device, boot); `seq` counts what the device has said since that start.
CREATE TABLE withdrawals (
  start BLOB PRIMARY KEY,
  seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
