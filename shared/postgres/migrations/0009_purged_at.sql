-- When a code was purged: after Redis has lost its last second, the relay tells it of the newest changes again, these too.
ALTER TABLE purged_codes ADD COLUMN purged_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX purged_codes_purged_at_idx ON purged_codes (purged_at);
