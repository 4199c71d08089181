-- The event log: the truth. Everything else can be rebuilt from it.

-- One row: the position of the newest event. Whoever appends locks it, so positions are given out in commit order
-- and without a hole, however many command-services there are.
CREATE TABLE log_head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL CHECK (position >= 0)
);
INSERT INTO log_head (position) VALUES (0);

-- The columns up to metadata are those of postgres-es' own table, so a plain postgres-es program can read the log.
-- json, not jsonb: the bytes stay as the domain wrote them.
CREATE TABLE events (
    aggregate_type text        NOT NULL,
    aggregate_id   text        NOT NULL,
    sequence       bigint      NOT NULL CHECK (sequence > 0),
    event_type     text        NOT NULL,
    event_version  text        NOT NULL,
    payload        json        NOT NULL,
    metadata       json        NOT NULL,
    position       bigint      NOT NULL CHECK (position > 0),
    event_id       uuid        NOT NULL,
    correlation_id uuid        NOT NULL,
    causation_id   uuid        NOT NULL,
    actor          text        NOT NULL,
    occurred_at    timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    -- Splits the log into 1024 even parts by aggregate, for whoever wants to read it in parallel.
    slice          smallint    NOT NULL CHECK (slice BETWEEN 0 AND 1023),
    CONSTRAINT events_pkey PRIMARY KEY (aggregate_type, aggregate_id, sequence)
);

-- Followers read the log by position.
CREATE UNIQUE INDEX events_position_key ON events (position);
-- The causation tree of one business flow.
CREATE INDEX events_correlation_idx ON events (correlation_id);

-- What was written stays written: for the owner and for superusers in replica mode too.
CREATE FUNCTION refuse_to_change_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is append-only' USING ERRCODE = '42501';
END $$;

CREATE TRIGGER events_are_append_only BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_to_change_history();
ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_append_only;
CREATE TRIGGER events_are_never_truncated BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_history();
ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_never_truncated;

-- One row per command that has to be done only once. Written with its events, so a command sent twice finds its own
-- receipt and changes nothing. An answer that is not known yet (the provider is still being asked) has no status.
CREATE TABLE command_receipts (
    command_id  uuid        PRIMARY KEY,
    -- SHA-256 of what was asked; another request under the same key is refused.
    fingerprint bytea       NOT NULL,
    -- The HTTP status and the data (or the whole problem document) of the answer.
    status      smallint,
    data        text,
    -- The stream's version and the log's position after the command.
    sequence    bigint      NOT NULL,
    position    bigint      NOT NULL,
    stored_at   timestamptz NOT NULL
);
-- The sweeper looks for old ones only; they lie in the order in which they were stored.
CREATE INDEX command_receipts_stored_at_idx ON command_receipts USING brin (stored_at) WITH (pages_per_range = 16);

-- Deadlines. Armed in the transaction of the event that starts them; the aggregate judges again when they fire, so
-- early, late and repeated firing are all safe.
CREATE TABLE timers (
    timer_id       uuid        PRIMARY KEY,
    kind           text        NOT NULL,
    aggregate_id   uuid        NOT NULL,
    correlation_id uuid        NOT NULL,
    -- The event that armed it.
    causation_id   uuid        NOT NULL,
    due_at         timestamptz NOT NULL
);
-- The scheduler asks for what is due, oldest first.
CREATE INDEX timers_due_at_idx ON timers (due_at, timer_id);

-- Long streams start from here instead of from their first event. Only a cache: may be deleted at any time.
CREATE TABLE snapshots (
    aggregate_type text   NOT NULL,
    aggregate_id   text   NOT NULL,
    sequence       bigint NOT NULL,
    event_id       uuid   NOT NULL,
    correlation_id uuid   NOT NULL,
    -- The shape of the state; a snapshot of another shape is passed over.
    state_version  int    NOT NULL,
    state          json   NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id)
);

-- How far each process manager has followed the log.
CREATE TABLE process_manager_checkpoints (
    name     text   PRIMARY KEY,
    position bigint NOT NULL CHECK (position >= 0)
);

-- One key per person; personal data in events is sealed with it. Deleting the row makes that data unreadable for ever.
CREATE TABLE subject_keys (
    subject_id  uuid        PRIMARY KEY,
    wrapped_key bytea       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
