-- The search for an equal link (`?reuse=true`), in the order of its answer. Instead of the hash index of 0003: that keeps all
-- links to one URL in one chain of pages, which each new link to it walks; here they lie in order, and a new one has its place.
-- Of the URL its hash alone, since a URL may be longer than an entry of a B-tree. And -id: the planner would think that walking
-- the primary key until an equal link turns up is as cheap, which it is not where the equal ones are the newest.
DROP INDEX links_url_idx;
CREATE INDEX links_same_url_idx ON links (hashtextextended(url, 0), owner_id, (-id));
