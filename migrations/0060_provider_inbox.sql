-- What a payment provider told us without being asked. Written before it is answered, so that what was answered with OK
-- is never lost; worked on afterwards. The same news again finds its own row and changes nothing.
CREATE TABLE provider_inbox (
    -- SHA-256 of what it says; a notification has no id of its own.
    fingerprint         bytea       PRIMARY KEY CHECK (octet_length(fingerprint) = 32),
    provider            text        NOT NULL,
    -- PAYMENT is worked on; RECEIPT, CARD and QR are kept.
    kind                text        NOT NULL,
    order_ref           text        NOT NULL,
    provider_payment_id text        NOT NULL,
    word                text        NOT NULL,
    -- In minor units, as the notification names it: nobody believes it before asking back.
    amount_minor        bigint,
    error_code          text,
    -- What may be kept of it: nothing of the card.
    facts               json        NOT NULL,
    -- PARKED waits for a person: nobody knows what it is about, or the provider does not confirm it.
    state               text        NOT NULL CHECK (state IN ('WAITING', 'DONE', 'PARKED')),
    result              text,
    attempts            int         NOT NULL DEFAULT 0,
    next_try_at         timestamptz,
    received_at         timestamptz NOT NULL,
    CONSTRAINT provider_inbox_waiting_is_dated CHECK ((state = 'WAITING') = (next_try_at IS NOT NULL))
);
-- What is to be worked on; the index stays small.
CREATE INDEX provider_inbox_waiting_idx ON provider_inbox (next_try_at) WHERE state = 'WAITING';
-- What the sweeper forgets.
CREATE INDEX provider_inbox_received_at_idx ON provider_inbox USING brin (received_at) WITH (pages_per_range = 16);

-- What of a payment a person has to look at: a refund nobody knows the outcome of, one that the bank does only by hand,
-- a payment that never came to an end. The alarm is raised when the row is written.
CREATE TABLE payment_cases (
    payment_id uuid        NOT NULL,
    kind       text        NOT NULL,
    detail     text        NOT NULL,
    opened_at  timestamptz NOT NULL,
    closed_at  timestamptz,
    PRIMARY KEY (payment_id, kind)
);
-- What is open, for the metric and for whoever works on it.
CREATE INDEX payment_cases_open_idx ON payment_cases (opened_at) WHERE closed_at IS NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON provider_inbox TO homefood_command;
GRANT SELECT, INSERT, UPDATE ON payment_cases TO homefood_command;
