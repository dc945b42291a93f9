-- The steady time of each decision: the clock's time without the steps by which it was set. Caps count in it as well as by the calendar.

ALTER TABLE decisions ADD COLUMN steady_ms INTEGER NOT NULL DEFAULT 0;
UPDATE decisions SET steady_ms = at_ms;
