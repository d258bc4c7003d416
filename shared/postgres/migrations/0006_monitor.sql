-- Reads the server's statistics for the exporter, and nothing of ours.
DO $$
BEGIN
    CREATE ROLE boltlink_monitor NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;
GRANT pg_monitor TO boltlink_monitor;
