-- The books of the imitation bank, used in development and tests only; in production the table stays empty.
--
-- A bank does not forget a payment because our process was killed. So the imitation keeps its own books, over its own
-- connections, outside our transactions: it is the outside world. Nothing of ours may read or join this table. It may
-- be truncated whenever no payment is open.
CREATE TABLE dev_fake_payments (
    payment_id uuid   PRIMARY KEY,
    -- Counts the changes of the account: an older copy never overwrites a newer one.
    revision   bigint NOT NULL CHECK (revision > 0),
    account    jsonb  NOT NULL
);
