-- For pages of the events of one kind of stream, in order of the log. Of a rare kind (disputes, gifts) the index of
-- positions was read to the end of the log for each page. Positions rise, so every append goes to the end of its kind.
CREATE INDEX events_kind_idx ON events (aggregate_type, position);
