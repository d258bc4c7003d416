-- API keys. A key is 256 random bits, so a plain SHA-256 of it tells nothing and is quick to look up.
CREATE TABLE api_keys (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    key_hash bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);

GRANT SELECT, INSERT, UPDATE ON api_keys TO boltlink_writer;
GRANT SELECT, UPDATE (last_used_at) ON api_keys TO boltlink_stats;
