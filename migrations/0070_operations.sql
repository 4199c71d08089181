-- Long acts of operators: rebuilds, redrives, audits. A row outlives the process that works on it.

-- Whoever works on an operation holds its lease and writes with its epoch; after a kill another process goes on from
-- what the row and the operation's own tables say.
CREATE TABLE operations (
    id           uuid        PRIMARY KEY,
    kind         text        NOT NULL,
    -- What it is about: a projection, or a queue of dead letters.
    subject      text        NOT NULL,
    state        text        NOT NULL DEFAULT 'planned'
        CHECK (state IN ('planned', 'running', 'paused', 'succeeded', 'failed', 'cancelled')),
    -- What a person last asked for; the state follows when the worker has come to a stop.
    wanted       text        NOT NULL DEFAULT 'run' CHECK (wanted IN ('run', 'pause', 'cancel')),
    input        jsonb       NOT NULL,
    -- Where the work stands and what it is waiting for, in words.
    stage        text        NOT NULL DEFAULT '',
    done         bigint      NOT NULL DEFAULT 0,
    total        bigint,
    rate_per_s   float8,
    started_by   text        NOT NULL,
    reason       text        NOT NULL CHECK (reason <> ''),
    -- The first twenty, and how many there were.
    errors       jsonb       NOT NULL DEFAULT '[]',
    errors_total bigint      NOT NULL DEFAULT 0,
    result       jsonb,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz,
    owner        uuid,
    epoch        bigint      NOT NULL DEFAULT 0,
    lease_until  timestamptz NOT NULL DEFAULT '-infinity'
);
-- One at a time of a kind about one thing; a rollback is a rebuild from what was kept.
CREATE UNIQUE INDEX operations_open_key ON operations ((CASE kind WHEN 'rollback' THEN 'rebuild' ELSE kind END), subject)
    WHERE state IN ('planned', 'running', 'paused');
-- The newest first.
CREATE INDEX operations_created_idx ON operations (created_at DESC, id);

-- Who asked for what and why. Only ever added to.
CREATE TABLE operator_acts (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT now(),
    actor        text        NOT NULL,
    act          text        NOT NULL,
    -- What it was done to: an operation, a dead letter, a row.
    subject      text        NOT NULL,
    reason       text        NOT NULL CHECK (reason <> ''),
    operation_id uuid
);
-- The acts about one thing.
CREATE INDEX operator_acts_subject_idx ON operator_acts (subject, id);

GRANT SELECT, INSERT, UPDATE, DELETE ON operations TO homefood_projection;
GRANT SELECT, INSERT ON operator_acts TO homefood_projection;
