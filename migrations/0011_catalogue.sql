-- The catalogue: reference data, not event-sourced. Orders freeze what they take from it (names, prices, commission),
-- so changing a row here changes no past order.

CREATE TABLE categories (
    id   uuid PRIMARY KEY,
    name text NOT NULL
);
-- Listed by name.
CREATE UNIQUE INDEX categories_name_idx ON categories (name, id);

CREATE TABLE producers (
    id                    uuid    PRIMARY KEY,
    -- The person who cooks, and who is told about the kitchen's orders.
    user_id               uuid    NOT NULL,
    name                  text    NOT NULL,
    city                  text    NOT NULL,
    main_category_id      uuid    REFERENCES categories (id),
    active                boolean NOT NULL DEFAULT true,
    -- An IANA name; opening_hours are in this zone: {"mon": [["09:00", "21:00"]], …}. An empty object is always open.
    timezone              text    NOT NULL DEFAULT 'Europe/Moscow',
    opening_hours         jsonb   NOT NULL DEFAULT '{}',
    delivery_types        text[]  NOT NULL DEFAULT '{BUILDING}'
        CHECK (delivery_types <@ '{BUILDING,PICKUP,ADDRESS}' AND cardinality(delivery_types) > 0),
    delivery_fee_minor    bigint  NOT NULL DEFAULT 0 CHECK (delivery_fee_minor >= 0),
    currency              text    NOT NULL DEFAULT 'RUB' CHECK (currency ~ '^[A-Z]{3}$'),
    -- The platform's share of the net, in 1/10 000.
    commission_bps        int     NOT NULL DEFAULT 1000 CHECK (commission_bps BETWEEN 0 AND 10000),
    -- What the cook declares, until there are deliveries to measure.
    delivery_time_minutes int     NOT NULL DEFAULT 60 CHECK (delivery_time_minutes > 0),
    -- Rises with every change; changes name the version they saw.
    version               int     NOT NULL DEFAULT 1
);
-- Listed by name.
CREATE INDEX producers_name_idx ON producers (name, id);
-- The kitchen of the person who signs in.
CREATE INDEX producers_user_idx ON producers (user_id);

CREATE TABLE dishes (
    id            uuid    PRIMARY KEY,
    producer_id   uuid    NOT NULL REFERENCES producers (id),
    name          text    NOT NULL,
    description   text    NOT NULL DEFAULT '',
    price_minor   bigint  NOT NULL CHECK (price_minor > 0),
    currency      text    NOT NULL DEFAULT 'RUB' CHECK (currency ~ '^[A-Z]{3}$'),
    is_available  boolean NOT NULL DEFAULT true,
    -- What is left of a limited dish; an order takes its portions in its own transaction. NULL: no limit.
    portions_left int     CHECK (portions_left >= 0),
    category_id   uuid    REFERENCES categories (id),
    photo_url     text,
    -- Rises with every change of the price, so that an order can say which price it saw.
    price_version int     NOT NULL DEFAULT 1
);
-- Listed by name: all, one kitchen's, one category's.
CREATE INDEX dishes_name_idx ON dishes (name, id);
CREATE INDEX dishes_producer_idx ON dishes (producer_id, name, id);
CREATE INDEX dishes_category_idx ON dishes (category_id, name, id);

-- How often a dish was looked at. Telemetry, counted in batches and never in the log. Apart from dishes, so that
-- counting does not rewrite the rows that orders lock.
CREATE TABLE dish_views (
    dish_id uuid   PRIMARY KEY REFERENCES dishes (id) ON DELETE CASCADE,
    views   bigint NOT NULL CHECK (views >= 0)
);
