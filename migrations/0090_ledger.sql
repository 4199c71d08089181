-- The books: what every event posted, and what stands on each account. All four tables are one read model, folded from
-- the log. An account that there is one of has the owner 0.

-- What the next posting needs to know: one small state for each order or gift.
CREATE TABLE ledger_flows (
    flow_id uuid PRIMARY KEY,
    doc     json NOT NULL
);

-- Both sides of every entry; the two lines of an entry follow each other.
CREATE TABLE ledger_postings (
    flow_id      uuid        NOT NULL,
    -- The event, and the place within what it posted.
    position     bigint      NOT NULL,
    line         smallint    NOT NULL,
    account      text        NOT NULL,
    owner_id     uuid        NOT NULL,
    side         text        NOT NULL CHECK (side IN ('debit', 'credit')),
    amount_minor bigint      NOT NULL CHECK (amount_minor > 0),
    currency     text        NOT NULL,
    occurred_at  timestamptz NOT NULL,
    PRIMARY KEY (flow_id, position, line)
);
-- What happened on one account, in order.
CREATE INDEX ledger_postings_account_idx ON ledger_postings (account, owner_id, position);

-- The sums of the postings of one account. The batch that posts adds the difference.
CREATE TABLE ledger_accounts (
    account      text   NOT NULL,
    owner_id     uuid   NOT NULL,
    currency     text   NOT NULL,
    debit_minor  bigint NOT NULL,
    credit_minor bigint NOT NULL,
    PRIMARY KEY (account, owner_id, currency)
) WITH (fillfactor = 80);

-- The sums of all accounts of a kind, so that a gauge does not add up one row for each order there ever was.
CREATE TABLE ledger_totals (
    account      text   NOT NULL,
    currency     text   NOT NULL,
    debit_minor  bigint NOT NULL,
    credit_minor bigint NOT NULL,
    PRIMARY KEY (account, currency)
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE
    ON ledger_flows, ledger_postings, ledger_accounts, ledger_totals TO homefood_projection;
