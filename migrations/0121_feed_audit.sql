-- Audits ask what was told of some events. Entries lie in the order of the log, so a summary of every few pages finds them.
CREATE INDEX feed_entries_position_idx ON feed_entries USING brin (position) WITH (pages_per_range = 16);
