-- One role a service, so that each can write only its own tables. They belong to the whole server, hence IF NOT EXISTS;
-- `shared.migrate` lets those log in for which it is given a password.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['boltlink_writer', 'boltlink_resolver', 'boltlink_stats'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO boltlink_writer, boltlink_resolver, boltlink_stats;
