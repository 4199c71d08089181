-- The read side. Everything in this file can be deleted and is then rebuilt from the log.

-- How far each projection is, and which process folds it. A batch moves the checkpoint in its own transaction and
-- names the position and the epoch it started from; a process that lost its lease meanwhile changes no row here, so
-- its whole batch rolls back and nothing is folded twice.
CREATE TABLE projection_checkpoints (
    name        text        PRIMARY KEY,
    position    bigint      NOT NULL DEFAULT 0 CHECK (position >= 0),
    -- Which set of tables is the live one; a rebuild fills the next.
    generation  int         NOT NULL DEFAULT 1,
    owner       uuid,
    -- Rises with every change of owner.
    epoch       bigint      NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    updated_at  timestamptz NOT NULL DEFAULT now()
);

-- Events that a handler could not take, and the later ones of the same aggregate, which wait behind them in order.
-- Written with the checkpoint that passes them by. payload is a copy for whoever looks; a redrive reads the log.
CREATE TABLE dead_letters (
    id               uuid        PRIMARY KEY,
    -- The queue is the handler's: a projection's name, a process manager's, …
    queue_name       text        NOT NULL,
    handler          text        NOT NULL,
    message_type     text        NOT NULL,
    payload          json        NOT NULL,
    position         bigint      NOT NULL,
    aggregate_type   text        NOT NULL,
    aggregate_id     uuid        NOT NULL,
    sequence         bigint      NOT NULL,
    -- BLOCKED waits behind an older one; PENDING is tried again at next_retry_at; PARKED waits for a person.
    status           text        NOT NULL CHECK (status IN ('PENDING', 'PARKED', 'BLOCKED', 'REDRIVEN', 'DISCARDED')),
    error_message    text        NOT NULL,
    error_traceback  text        NOT NULL,
    retry_count      int         NOT NULL DEFAULT 0,
    max_retries      int         NOT NULL,
    next_retry_at    timestamptz,
    first_failed_at  timestamptz NOT NULL,
    last_failed_at   timestamptz NOT NULL,
    redrives         int         NOT NULL DEFAULT 0,
    -- When the copy in the stream DEAD_LETTERS was acknowledged.
    published_at     timestamptz,
    CONSTRAINT dead_letters_message_key UNIQUE (queue_name, position),
    CONSTRAINT dead_letters_retry_is_dated CHECK ((status = 'PENDING') = (next_retry_at IS NOT NULL))
);
-- What is due for another try.
CREATE INDEX dead_letters_due_idx ON dead_letters (queue_name, next_retry_at) WHERE status = 'PENDING';
-- The queue of one aggregate, and the set of blocked aggregates at a start.
CREATE INDEX dead_letters_open_idx ON dead_letters (queue_name, aggregate_id, position)
    WHERE status IN ('PENDING', 'PARKED', 'BLOCKED');
-- Copies still to be published.
CREATE INDEX dead_letters_unpublished_idx ON dead_letters (queue_name, position)
    WHERE published_at IS NULL AND status IN ('PENDING', 'PARKED');

-- One row per order: doc is all that the API shows, the other columns are what it is asked by.
CREATE TABLE orders (
    id          uuid        PRIMARY KEY,
    customer_id uuid        NOT NULL,
    producer_id uuid        NOT NULL,
    status      text        NOT NULL,
    created_at  timestamptz NOT NULL,
    -- The version of the order's stream.
    version     bigint      NOT NULL,
    doc         json        NOT NULL
);
-- A customer's orders, newest first.
CREATE INDEX orders_customer_idx ON orders (customer_id, created_at DESC, id);
-- A kitchen's orders, newest first.
CREATE INDEX orders_producer_idx ON orders (producer_id, created_at DESC, id);
-- All orders for administrators, newest first.
CREATE INDEX orders_created_idx ON orders (created_at DESC, id);
-- Orders in one status; finished ones are most and are found by the other indexes.
CREATE INDEX orders_status_idx ON orders (status, created_at DESC, id)
    WHERE status NOT IN ('COMPLETED', 'CANCELLED');

-- One row per payment attempt. Whose it is says its order.
CREATE TABLE payments (
    id       uuid   PRIMARY KEY,
    order_id uuid,
    version  bigint NOT NULL,
    doc      json   NOT NULL
);

-- What the feed knows of each order to know whom to tell: its parties and where it stands.
CREATE TABLE feed_orders (
    order_id uuid PRIMARY KEY,
    doc      json NOT NULL
);

-- Each user's newest entry. Only the feed's fold writes here, in its batch, so ids are 1, 2, 3, … without a hole.
CREATE TABLE feed_heads (
    user_id uuid   PRIMARY KEY,
    head    bigint NOT NULL CHECK (head > 0)
);

-- What each user was told. Kept for a week, then refetched by REST.
CREATE TABLE feed_entries (
    user_id    uuid        NOT NULL,
    id         bigint      NOT NULL,
    -- order_status_update or notification
    kind       text        NOT NULL,
    data       json        NOT NULL,
    -- The event it comes from.
    position   bigint      NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, id)
);
-- The sweeper takes the oldest; entries lie in the order in which they came.
CREATE INDEX feed_entries_created_at_idx ON feed_entries USING brin (created_at) WITH (pages_per_range = 16);

-- Tickets that open one socket each, within 30 seconds. Kept as hashes: who reads the table cannot use them. Using one
-- deletes it, whichever instance the socket hangs on.
CREATE TABLE ws_tickets (
    ticket_hash      bytea       PRIMARY KEY,
    user_id          uuid        NOT NULL,
    -- When the token ends that the ticket was bought with, and the socket with it.
    token_expires_at timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL
);
-- The sweeper deletes what nobody used; a person has only a few open ones.
CREATE INDEX ws_tickets_expires_at_idx ON ws_tickets (expires_at);
CREATE INDEX ws_tickets_user_idx ON ws_tickets (user_id);
