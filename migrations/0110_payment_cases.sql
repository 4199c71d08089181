-- Cases are shown to administrators, who close them with a reason.

ALTER TABLE payment_cases
    ADD COLUMN id      uuid NOT NULL DEFAULT gen_random_uuid(),
    -- Rises with every act; whoever closes a case names the version that was looked at.
    ADD COLUMN version int  NOT NULL DEFAULT 1;
ALTER TABLE payment_cases ADD CONSTRAINT payment_cases_id_key UNIQUE (id);
-- The newest first, for whoever looks through them.
CREATE INDEX payment_cases_opened_idx ON payment_cases (opened_at DESC, id DESC);

-- Who opened and closed each case, and why. Only ever added to.
CREATE TABLE payment_case_acts (
    case_id    uuid        NOT NULL REFERENCES payment_cases (id),
    -- The version that the act led to.
    version    int         NOT NULL,
    act        text        NOT NULL CHECK (act IN ('OPENED', 'CLEARED_UP', 'CLOSED')),
    -- The system opens and clears up; people close.
    actor      text        NOT NULL,
    reason     text        NOT NULL,
    -- Of an act that was asked for: the same again is no other act.
    command_id uuid        UNIQUE,
    at         timestamptz NOT NULL,
    PRIMARY KEY (case_id, version)
);

GRANT SELECT, INSERT ON payment_case_acts TO homefood_command;
