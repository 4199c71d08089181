-- Gifts: the vault of their codes and the count of wrong ones (write side), and what is shown of gifts (read side).

-- The codes of paid gifts. A code is found by its HMAC; the plaintext lies here encrypted, for the buyer, until the
-- gift is activated, called off or expired. It is nowhere else: not in events, logs or read models.
CREATE TABLE gift_codes (
    gift_id    uuid        PRIMARY KEY,
    -- HMAC-SHA-256 under the pepper, in hex.
    code_ref   text        NOT NULL UNIQUE,
    last4      text        NOT NULL,
    -- NULL once it is erased.
    sealed     bytea,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- When somebody, or somebody's address, last gave wrong codes: at most as many instants as are allowed. A guesser is
-- a keyed hash, so that nobody reads addresses here.
CREATE TABLE wrong_gift_codes (
    guesser   text          PRIMARY KEY,
    missed_at timestamptz[] NOT NULL,
    -- After this the row says nothing any more.
    stale_at  timestamptz   NOT NULL
);
-- The sweeper deletes what is stale.
CREATE INDEX wrong_gift_codes_stale_idx ON wrong_gift_codes (stale_at);

-- One row per gift: doc is all that the API shows, the other columns are what it is asked by.
CREATE TABLE gifts (
    id           uuid        PRIMARY KEY,
    buyer_id     uuid        NOT NULL,
    -- Who activated it, or whom it is meant for; unknown of a code that nobody has used.
    recipient_id uuid,
    created_at   timestamptz NOT NULL,
    -- The version of the gift's stream.
    version      bigint      NOT NULL,
    doc          json        NOT NULL
);
-- What somebody bought, newest first.
CREATE INDEX gifts_buyer_idx ON gifts (buyer_id, created_at DESC, id);
-- What somebody was given, newest first.
CREATE INDEX gifts_recipient_idx ON gifts (recipient_id, created_at DESC, id) WHERE recipient_id IS NOT NULL;

-- A code is made once and never changed; only its plaintext is erased.
GRANT SELECT, INSERT, UPDATE (sealed) ON gift_codes TO homefood_command;
GRANT SELECT, INSERT, UPDATE, DELETE ON wrong_gift_codes TO homefood_command;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON gifts TO homefood_projection;
