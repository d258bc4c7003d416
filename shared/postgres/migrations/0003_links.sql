CREATE TABLE links (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    domain text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    url text NOT NULL,
    title text,
    notes text,
    tags text[] NOT NULL DEFAULT '{}',
    redirect_status smallint NOT NULL DEFAULT 302,
    valid_since timestamptz,
    valid_until timestamptz,
    max_clicks bigint,
    expired_url text,
    forward_query boolean NOT NULL DEFAULT false,
    enabled boolean NOT NULL DEFAULT true,
    external_id text,
    owner_id bigint NOT NULL REFERENCES api_keys (id),
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    CONSTRAINT links_domain_code_key UNIQUE (domain, code),
    CONSTRAINT links_external_id_key UNIQUE (external_id)
);

-- The orders of `GET /links`, and the search for an equal link (`?reuse=true`). Hash: a URL may be longer than a B-tree entry.
CREATE INDEX links_created_at_idx ON links (created_at, id);
CREATE INDEX links_updated_at_idx ON links (updated_at, id);
CREATE INDEX links_tags_idx ON links USING gin (tags);
CREATE INDEX links_url_idx ON links USING hash (url);

-- A purged code keeps its last version, so that a link made there later is newer than every record of the old one.
CREATE TABLE purged_codes (
    domain text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (domain, code)
);

-- What a link's redirects have used up of its `max_clicks`. One statement takes a permit, so the limit is exact.
CREATE TABLE link_permits (
    link_id bigint PRIMARY KEY REFERENCES links (id) ON DELETE CASCADE,
    used bigint NOT NULL
);

-- Counts of a link for as long as it lives. A row is made with its link, so that sorting by clicks is an index scan.
CREATE TABLE link_totals (
    link_id bigint PRIMARY KEY REFERENCES links (id) ON DELETE CASCADE,
    clicks bigint NOT NULL DEFAULT 0,
    bot_clicks bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE INDEX link_totals_clicks_idx ON link_totals (clicks, link_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON links, purged_codes TO boltlink_writer;
GRANT SELECT, DELETE ON link_permits TO boltlink_writer;
GRANT SELECT, INSERT ON link_totals TO boltlink_writer;
GRANT SELECT ON links, link_totals TO boltlink_resolver;
GRANT SELECT, INSERT, UPDATE ON link_permits TO boltlink_resolver;
GRANT SELECT ON links, link_permits TO boltlink_stats;
GRANT SELECT, UPDATE ON link_totals TO boltlink_stats;
