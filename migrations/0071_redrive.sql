-- Dead letters that a person looks at by their cause, and the frozen selection of a redrive.

-- The same failure of many messages has one fingerprint: ids and numbers are taken out of the error.
ALTER TABLE dead_letters ADD COLUMN fingerprint text NOT NULL GENERATED ALWAYS AS (
    md5(queue_name || ' ' || message_type || ' '
        || regexp_replace(error_message, '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9]+', '#', 'g'))
) STORED;
-- Listed by position, all or one queue's; groups read the open ones.
CREATE INDEX dead_letters_position_idx ON dead_letters (position, queue_name);

-- What a redrive took on when it began: later letters are not its business, and none is asked for twice.
CREATE TABLE operation_letters (
    operation_id uuid   NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    ordinal      bigint NOT NULL,
    letter_id    uuid   NOT NULL,
    -- The letter's retries when it was asked for; the count rises with the next failure.
    asked_at_retry int,
    outcome      text   CHECK (outcome IN ('REDRIVEN', 'FAILED', 'SKIPPED')),
    PRIMARY KEY (operation_id, ordinal)
);

GRANT SELECT, INSERT, UPDATE ON operation_letters TO homefood_projection;
