-- Word of every change of a link, written in the change's own transaction; the relay takes it to Redis.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    domain text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Answers that a repeated Idempotency-Key gets again.
CREATE TABLE idempotent_answers (
    owner_id bigint NOT NULL REFERENCES api_keys (id),
    key text COLLATE "C" NOT NULL,
    request_hash bytea NOT NULL,
    status smallint NOT NULL DEFAULT 0,
    body json,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_id, key)
);
CREATE INDEX idempotent_answers_created_at_idx ON idempotent_answers (created_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON outbox, idempotent_answers TO boltlink_writer;
