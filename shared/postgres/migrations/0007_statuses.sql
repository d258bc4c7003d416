-- Links of a status other than `active` are few among many; `GET /links?status=…` finds them here. A link that is nothing of this,
-- as nearly all are, is in none of these, so that making one costs no more.
CREATE INDEX links_deleted_idx ON links (created_at, id) WHERE deleted_at IS NOT NULL;
CREATE INDEX links_disabled_idx ON links (created_at, id) WHERE NOT enabled;
CREATE INDEX links_limited_idx ON links (created_at, id) WHERE max_clicks IS NOT NULL;
CREATE INDEX links_valid_until_idx ON links (valid_until) WHERE valid_until IS NOT NULL;
CREATE INDEX links_valid_since_idx ON links (valid_since) WHERE valid_since IS NOT NULL;
