-- The rows that POST /links writes, by plain INSERTs in one transaction. pgbench runs this script in the simple protocol.
\set number random(1, 9000000000000000000)
BEGIN;
INSERT INTO links (domain, code, url, title, notes, tags, redirect_status, valid_since, valid_until, max_clicks,
    expired_url, forward_query, enabled, external_id, owner_id, version)
VALUES ('default', 'p' || :number, rpad('https://www.example.com/' || :number, 100, 'x'), NULL, NULL, '{}', 302, NULL,
    NULL, NULL, NULL, false, true, NULL, 1, 1)
RETURNING id AS link \gset
INSERT INTO link_totals (link_id) VALUES (:link);
INSERT INTO outbox (domain, code, version) VALUES ('default', 'p' || :number, 1);
COMMIT;
