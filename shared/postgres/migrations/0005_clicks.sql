-- Every click, by month. A click that is told twice has the same id and time both times, so the primary key counts it once.
CREATE TABLE clicks (
    id text COLLATE "C" NOT NULL,
    clicked_at timestamptz NOT NULL,
    link_id bigint NOT NULL,
    visitor text COLLATE "C" NOT NULL,
    bot boolean NOT NULL,
    referrer text NOT NULL,
    browser text NOT NULL,
    os text NOT NULL,
    device text NOT NULL,
    PRIMARY KEY (clicked_at, id)
) PARTITION BY RANGE (clicked_at);
CREATE INDEX clicks_link_idx ON clicks (link_id, clicked_at);

-- Takes what no month is ready for, so that a clock that jumps loses nothing.
CREATE TABLE clicks_other PARTITION OF clicks DEFAULT;

-- Counts of a link in a quarter of an hour: the coarsest bucket whose edges are edges of every day on Earth.
CREATE TABLE click_counts (
    link_id bigint NOT NULL,
    bucket timestamptz NOT NULL,
    bot boolean NOT NULL,
    clicks bigint NOT NULL,
    PRIMARY KEY (link_id, bucket, bot)
) WITH (fillfactor = 70);
CREATE INDEX click_counts_bucket_idx ON click_counts (bucket);

-- Make the partition of the month that `day` falls in, and move there what the default one took meanwhile.
-- Its owner's rights: the service that calls it may not create tables.
CREATE FUNCTION make_clicks_partition(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    first_day date := date_trunc('month', day)::date;
    begins timestamptz := first_day::timestamp AT TIME ZONE 'UTC';
    ends timestamptz := (first_day + interval '1 month') AT TIME ZONE 'UTC';
    part text := 'clicks_' || to_char(first_day, 'YYYY_MM');
BEGIN
    IF to_regclass('public.' || part) IS NOT NULL THEN
        RETURN false;
    END IF;
    LOCK TABLE public.clicks IN ACCESS EXCLUSIVE MODE;
    -- Again, for another session may have made it while this one waited.
    IF to_regclass('public.' || part) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.clicks INCLUDING ALL)', part);
    EXECUTE format(
        'WITH moved AS (DELETE FROM public.clicks_other WHERE clicked_at >= %L AND clicked_at < %L RETURNING *) '
        'INSERT INTO public.%I SELECT * FROM moved', begins, ends, part);
    EXECUTE format('ALTER TABLE public.clicks ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', part, begins, ends);
    RETURN true;
END
$$;

-- Remove a purged link's clicks for good. Clicks belong to stats; this is all that the writer can do to them.
CREATE FUNCTION purge_clicks(purged_link_id bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DELETE FROM public.clicks WHERE link_id = purged_link_id;
    DELETE FROM public.click_counts WHERE link_id = purged_link_id;
$$;

REVOKE ALL ON FUNCTION make_clicks_partition(date), purge_clicks(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_clicks_partition(date) TO boltlink_stats;
GRANT EXECUTE ON FUNCTION purge_clicks(bigint) TO boltlink_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON clicks, click_counts TO boltlink_stats;
