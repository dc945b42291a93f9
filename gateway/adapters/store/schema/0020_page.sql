-- The person's page: the reason that a person stated with a refusal.

ALTER TABLE facts ADD COLUMN reason TEXT;
