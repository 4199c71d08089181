-- Analytics do not scan orders: facts say what is known of each order, roll-ups add up facts, and reports add up roll-ups.
-- All four tables are one read model, folded from the log; see docs/adr/0010.

-- One row per order, with what reports count. The batch that changes a fact adds the difference to the roll-ups.
CREATE TABLE order_facts (
    order_id       uuid        PRIMARY KEY,
    customer_id    uuid        NOT NULL,
    producer_id    uuid        NOT NULL,
    currency       text        NOT NULL,
    outcome        text        NOT NULL CHECK (outcome IN ('OPEN', 'COMPLETED', 'CANCELLED')),
    total_minor    bigint      NOT NULL,
    -- Decided to go back to the customer, whether it has arrived or not.
    refunded_minor bigint      NOT NULL,
    rating         smallint    CHECK (rating BETWEEN 1 AND 5),
    created_at     timestamptz NOT NULL,
    paid_at        timestamptz,
    delivered_at   timestamptz,
    completed_at   timestamptz,
    cancelled_at   timestamptz,
    -- The version of the order's stream that changed the fact last.
    version        bigint      NOT NULL,
    CONSTRAINT order_facts_end_is_dated CHECK (
        (outcome = 'COMPLETED') = (completed_at IS NOT NULL) AND (outcome = 'CANCELLED') = (cancelled_at IS NOT NULL)
    )
) WITH (fillfactor = 80);
-- The orders at the edges of a range, which lie in no whole bucket.
CREATE INDEX order_facts_created_idx ON order_facts (created_at);

-- One row per line of an order.
CREATE TABLE order_line_facts (
    order_id         uuid     NOT NULL,
    line_no          int      NOT NULL,
    dish_id          uuid     NOT NULL,
    dish_name        text     NOT NULL,
    quantity         int      NOT NULL,
    unit_price_minor bigint   NOT NULL,
    line_total_minor bigint   NOT NULL,
    -- The mark for this dish, if the customer gave one.
    rating           smallint CHECK (rating BETWEEN 1 AND 5),
    PRIMARY KEY (order_id, line_no)
);

-- Sums of facts per kitchen and stretch of time, in three widths: quarter hours, of which the days of every time zone
-- are made, and days and months (UTC), so that a long range is a few rows.
CREATE TABLE order_rollups (
    -- Which instant of an order counts: when it was placed, or when it was completed.
    basis           text        NOT NULL CHECK (basis IN ('CREATED', 'COMPLETED')),
    width           text        NOT NULL CHECK (width IN ('QUARTER', 'DAY', 'MONTH')),
    -- Where the stretch begins.
    bucket          timestamptz NOT NULL,
    -- All zeros: all kitchens together.
    producer_id     uuid        NOT NULL,
    currency        text        NOT NULL,
    orders          bigint      NOT NULL,
    completed       bigint      NOT NULL,
    cancelled       bigint      NOT NULL,
    -- Of completed orders: their prices, and what of those was given back.
    revenue_minor   bigint      NOT NULL,
    refunded_minor  bigint      NOT NULL,
    -- How many marks, and their sum.
    ratings         bigint      NOT NULL,
    rating_points   bigint      NOT NULL,
    -- How many orders were paid and delivered, and how long that took.
    deliveries      bigint      NOT NULL,
    delivery_micros bigint      NOT NULL,
    -- One kitchen's, or everybody's, by time.
    PRIMARY KEY (producer_id, basis, width, currency, bucket)
) WITH (fillfactor = 70);
-- Every kitchen's at one time: the top producers.
CREATE INDEX order_rollups_bucket_idx ON order_rollups (width, bucket) WHERE basis = 'CREATED';

-- The same per dish, by the time the order was placed. An order counts once for a dish, however many lines have it.
CREATE TABLE dish_rollups (
    width         text        NOT NULL CHECK (width IN ('QUARTER', 'DAY', 'MONTH')),
    bucket        timestamptz NOT NULL,
    dish_id       uuid        NOT NULL,
    producer_id   uuid        NOT NULL,
    currency      text        NOT NULL,
    orders        bigint      NOT NULL,
    portions      bigint      NOT NULL,
    -- Of completed orders.
    revenue_minor bigint      NOT NULL,
    ratings       bigint      NOT NULL,
    rating_points bigint      NOT NULL,
    PRIMARY KEY (dish_id, producer_id, width, currency, bucket)
) WITH (fillfactor = 70);
-- Every dish at one time, and one kitchen's: the popular dishes.
CREATE INDEX dish_rollups_bucket_idx ON dish_rollups (width, bucket);
CREATE INDEX dish_rollups_producer_idx ON dish_rollups (producer_id, width, bucket);

GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE
    ON order_facts, order_line_facts, order_rollups, dish_rollups TO homefood_projection;
