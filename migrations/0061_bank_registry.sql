-- The lines of the bank's daily registries: what the bank says that it did, long after it did it. Each is booked once,
-- however often its registry is imported. It is the last word: what neither a notification nor a question told, it tells.
CREATE TABLE bank_registry (
    registry_ref text        PRIMARY KEY,
    operation    text        NOT NULL CHECK (operation IN ('PAYMENT', 'REFUND', 'CHARGEBACK')),
    payment_id   uuid        NOT NULL,
    amount_minor bigint      NOT NULL CHECK (amount_minor > 0),
    -- What it was booked as; nothing while it does not fit our books.
    booked_as    text,
    imported_at  timestamptz NOT NULL
);
-- What the bank says to have given back of one payment.
CREATE INDEX bank_registry_payment_idx ON bank_registry (payment_id);

GRANT SELECT, INSERT, UPDATE ON bank_registry TO homefood_command;
