-- Whoever comes behind a swap that waits for a query has to wait, too, and so has the projection's owner. So it waits only
-- for queries that are about to end, gives way to others, and comes back later and later.
ALTER FUNCTION swap_generation(text, int, int, text[]) SET lock_timeout = '50ms';
