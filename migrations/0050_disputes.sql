-- What is shown of disputes. One row per dispute: doc is all that the API shows, the other columns are what it is
-- asked by.
CREATE TABLE disputes (
    id          uuid        PRIMARY KEY,
    order_id    uuid        NOT NULL,
    customer_id uuid        NOT NULL,
    producer_id uuid        NOT NULL,
    status      text        NOT NULL,
    opened_at   timestamptz NOT NULL,
    -- The version of the dispute's stream.
    version     bigint      NOT NULL,
    doc         json        NOT NULL
);
-- A customer's disputes, newest first.
CREATE INDEX disputes_customer_idx ON disputes (customer_id, opened_at DESC, id);
-- A kitchen's disputes, newest first.
CREATE INDEX disputes_producer_idx ON disputes (producer_id, opened_at DESC, id);
-- All disputes for administrators, newest first.
CREATE INDEX disputes_opened_idx ON disputes (opened_at DESC, id);
-- What waits for somebody; decided ones are most and are found by the other indexes.
CREATE INDEX disputes_status_idx ON disputes (status, opened_at DESC, id) WHERE status <> 'RESOLVED';
-- The disputes of one order.
CREATE INDEX disputes_order_idx ON disputes (order_id);

GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON disputes TO homefood_projection;
