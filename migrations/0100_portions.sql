-- Portions of dishes with a limit: an order takes them in the transaction that appends it, and gives them back in the one
-- that calls it off before it is cooked. dishes.portions_left is what can still be sold; what was sold of it and not
-- given back stands beside it, so that both together are what there is to sell. A kitchen that sets portions_left says how
-- many are left from now on, besides those that are sold.

-- The version rises with every portion, as a kitchen that edits the dish writes the number it saw.
ALTER TABLE dishes ADD COLUMN portions_taken int NOT NULL DEFAULT 0 CHECK (portions_taken >= 0);

-- What each order took. A row is written once and released once, whatever is repeated. No foreign key: dishes are never
-- deleted, and looking each up again would be done under the lock of the log.
CREATE TABLE portion_claims (
    order_id uuid NOT NULL,
    dish_id  uuid NOT NULL,
    quantity int  NOT NULL CHECK (quantity > 0),
    state    text NOT NULL DEFAULT 'TAKEN' CHECK (state IN ('TAKEN', 'RELEASED')),
    PRIMARY KEY (order_id, dish_id)
);

-- Gives the portions of these orders back, once.
CREATE FUNCTION release_portions(orders uuid[]) RETURNS void LANGUAGE sql
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
    WITH freed AS (
        UPDATE portion_claims c SET state = 'RELEASED'
        WHERE c.order_id = ANY (orders) AND c.state = 'TAKEN'
        RETURNING c.dish_id, c.quantity
    )
    UPDATE dishes d
    SET portions_left = d.portions_left + s.quantity, portions_taken = d.portions_taken - s.quantity,
        version = d.version + 1
    FROM (SELECT f.dish_id, sum(f.quantity)::int AS quantity FROM freed f GROUP BY f.dish_id) s
    WHERE d.id = s.dish_id;
$$;

-- append_events as it was, and one more verdict: too few portions are left (S). A batch in which nobody takes or gives
-- back portions does what it did before. Services of the release before call it without the last arguments.
DROP FUNCTION append_events;
CREATE FUNCTION append_events(
    -- one element per request
    r_command        uuid[],
    r_keep           boolean[],
    r_fingerprint    bytea[],
    r_status         smallint[],
    r_data           text[],
    r_type           text[],
    r_id             text[],
    r_expected       bigint[],
    r_expected_event uuid[],
    r_chained        boolean[],
    r_count          int[],
    -- one element per event, in the order of the requests; e_request is 1-based
    e_request        int[],
    e_type           text[],
    e_id             text[],
    e_sequence       bigint[],
    e_event_type     text[],
    e_event_version  text[],
    e_payload        text[],
    e_metadata       text[],
    e_event_id       uuid[],
    e_correlation    uuid[],
    e_causation      uuid[],
    e_actor          text[],
    e_occurred       timestamptz[],
    e_slice          smallint[],
    -- one element per timer
    t_request        int[],
    t_id             uuid[],
    t_kind           text[],
    t_aggregate      uuid[],
    t_correlation    uuid[],
    t_causation      uuid[],
    t_due            timestamptz[],
    -- answers that were not known when their command was appended
    u_command        uuid[],
    u_status         smallint[],
    u_data           text[],
    -- one element per dish whose portions a request takes; one, without a dish, per request that gives its order's back
    p_request        int[]     DEFAULT '{}',
    p_order          uuid[]    DEFAULT '{}',
    p_dish           uuid[]    DEFAULT '{}',
    p_quantity       int[]     DEFAULT '{}'
)
RETURNS TABLE (
    out_request     bigint,
    out_outcome     text,
    out_position    bigint,
    out_sequence    bigint,
    out_recorded    timestamptz,
    out_fingerprint bytea,
    out_status      smallint,
    out_data        text
)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    base      bigint;
    inserted  bigint;
    stamp     timestamptz;
    outcomes  text[];
    accepted  boolean[];
    lasts     bigint[];
    freed     uuid[];
    pots      uuid[];
    lefts     int[];
    shorts    text[] := '{}';
    pot       int;
BEGIN
    SELECT h.position INTO base FROM log_head h FOR UPDATE;
    stamp := clock_timestamp();

    WITH requests AS (
        SELECT r.* FROM unnest(r_command, r_keep, r_type, r_id, r_expected, r_expected_event, r_chained, r_count)
            WITH ORDINALITY AS r (command_id, keep, type, id, expected, expected_event, chained, events, n)
    ),
    -- Materialised: the verdict is used several times below and looked up once.
    alone AS MATERIALIZED (
        SELECT r.n, r.type, r.id, r.events, r.chained,
            CASE
                -- Not EXISTS: Postgres would read every receipt there is into a hash table, batch by batch.
                WHEN r.keep AND (SELECT true FROM command_receipts c WHERE c.command_id = r.command_id) THEN 'D'
                WHEN r.expected IS NULL OR r.chained THEN 'A'
                WHEN coalesce(head.sequence, 0) <> r.expected THEN 'C'
                WHEN r.expected_event IS NOT NULL AND head.event_id IS DISTINCT FROM r.expected_event THEN 'C'
                ELSE 'A'
            END AS verdict
        FROM requests r
        LEFT JOIN LATERAL (
            SELECT e.sequence, e.event_id FROM events e
            WHERE e.aggregate_type = r.type AND e.aggregate_id = r.id
            ORDER BY e.sequence DESC LIMIT 1
        ) head ON r.expected IS NOT NULL AND NOT r.chained
    ),
    judged AS (
        SELECT a.n, a.events,
            CASE WHEN a.verdict = 'A' AND a.chained AND NOT bool_and(a.verdict = 'A') OVER (PARTITION BY a.type, a.id ORDER BY a.n)
                 THEN 'C' ELSE a.verdict END AS verdict
        FROM alone a
    ),
    placed AS (
        SELECT j.n, j.verdict,
            sum(CASE WHEN j.verdict = 'A' THEN j.events ELSE 0 END) OVER (ORDER BY j.n) AS upto
        FROM judged j
    )
    SELECT array_agg(p.verdict ORDER BY p.n), array_agg(p.verdict = 'A' ORDER BY p.n), array_agg(base + p.upto ORDER BY p.n)
    INTO outcomes, accepted, lasts
    FROM placed p;

    IF cardinality(p_request) > 0 THEN
        -- What comes back comes back first, so that whoever is called off in this batch leaves room for who orders in it.
        SELECT array_agg(p.order_id) INTO freed
        FROM unnest(p_request, p_order, p_dish) AS p (request, order_id, dish_id)
        WHERE p.dish_id IS NULL AND accepted[p.request];
        PERFORM release_portions(freed);

        -- The rows stay locked until the commit; an edit of the catalogue holds at most one of them, and not for long.
        SELECT array_agg(locked.id), array_agg(locked.portions_left) INTO pots, lefts
        FROM (SELECT d.id, d.portions_left FROM dishes d WHERE d.id = ANY (p_dish) ORDER BY d.id FOR UPDATE) locked;
        FOR i IN 1 .. cardinality(p_request) LOOP
            CONTINUE WHEN p_dish[i] IS NULL OR NOT accepted[p_request[i]];
            pot := array_position(pots, p_dish[i]);
            -- No number at all is no limit.
            IF pot IS NOT NULL AND coalesce(lefts[pot] >= p_quantity[i], true) THEN
                lefts[pot] := lefts[pot] - p_quantity[i];
                CONTINUE;
            END IF;
            outcomes[p_request[i]] := 'S';
            accepted[p_request[i]] := false;
            shorts := shorts || r_id[p_request[i]];
            -- An order is taken as a whole: what its other dishes had taken is there for the next.
            FOR j IN REVERSE i - 1 .. 1 LOOP
                EXIT WHEN p_request[j] <> p_request[i];
                pot := array_position(pots, p_dish[j]);
                lefts[pot] := lefts[pot] + p_quantity[j];
            END LOOP;
        END LOOP;
        IF cardinality(shorts) > 0 THEN
            FOR n IN 1 .. cardinality(outcomes) LOOP
                IF accepted[n] AND r_chained[n] AND r_id[n] = ANY (shorts) THEN
                    outcomes[n] := 'C';
                    accepted[n] := false;
                END IF;
            END LOOP;
            SELECT array_agg(base + s.upto ORDER BY s.n) INTO lasts
            FROM (
                SELECT r.n, sum(CASE WHEN accepted[r.n] THEN r.events ELSE 0 END) OVER (ORDER BY r.n) AS upto
                FROM unnest(r_count) WITH ORDINALITY AS r (events, n)
            ) s;
        END IF;

        INSERT INTO portion_claims (order_id, dish_id, quantity)
        SELECT p.order_id, p.dish_id, p.quantity
        FROM unnest(p_request, p_order, p_dish, p_quantity) AS p (request, order_id, dish_id, quantity)
        WHERE p.dish_id IS NOT NULL AND accepted[p.request];
        UPDATE dishes d
        SET portions_left = d.portions_left - s.quantity, portions_taken = d.portions_taken + s.quantity,
            version = d.version + 1
        FROM (
            SELECT p.dish_id, sum(p.quantity)::int AS quantity
            FROM unnest(p_request, p_dish, p_quantity) AS p (request, dish_id, quantity)
            WHERE p.dish_id IS NOT NULL AND accepted[p.request]
            GROUP BY p.dish_id
        ) s
        WHERE d.id = s.dish_id;
        -- An order that was placed and called off in this very batch.
        PERFORM release_portions(freed);
    END IF;

    INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, position,
                        event_id, correlation_id, causation_id, actor, occurred_at, recorded_at, slice)
    SELECT e.type, e.id, e.sequence, e.event_type, e.event_version, e.payload::json, e.metadata::json,
           base + row_number() OVER (ORDER BY e.n),
           e.event_id, e.correlation_id, e.causation_id, e.actor, e.occurred_at, stamp, e.slice
    FROM unnest(e_request, e_type, e_id, e_sequence, e_event_type, e_event_version, e_payload, e_metadata, e_event_id,
                e_correlation, e_causation, e_actor, e_occurred, e_slice)
        WITH ORDINALITY AS e (request, type, id, sequence, event_type, event_version, payload, metadata, event_id,
                              correlation_id, causation_id, actor, occurred_at, slice, n)
    WHERE accepted[e.request]
    ORDER BY e.n;
    GET DIAGNOSTICS inserted = ROW_COUNT;

    IF inserted > 0 THEN
        UPDATE log_head h SET position = base + inserted;
        PERFORM pg_notify('homefood_log', (base + inserted)::text);
    END IF;

    INSERT INTO command_receipts (command_id, fingerprint, status, data, sequence, position, stored_at)
    SELECT r.command_id, r.fingerprint, r.status, r.data, coalesce(r.expected, 0) + r.events, lasts[r.n], stamp
    FROM unnest(r_command, r_keep, r_fingerprint, r_status, r_data, r_expected, r_count)
        WITH ORDINALITY AS r (command_id, keep, fingerprint, status, data, expected, events, n)
    WHERE r.keep AND accepted[r.n];

    IF cardinality(t_id) > 0 THEN
        INSERT INTO timers (timer_id, kind, aggregate_id, correlation_id, causation_id, due_at)
        SELECT t.id, t.kind, t.aggregate, t.correlation, t.causation, t.due
        FROM unnest(t_request, t_id, t_kind, t_aggregate, t_correlation, t_causation, t_due)
            AS t (request, id, kind, aggregate, correlation, causation, due)
        WHERE accepted[t.request]
        ON CONFLICT (timer_id) DO NOTHING;
    END IF;

    IF cardinality(u_command) > 0 THEN
        UPDATE command_receipts c SET status = u.status, data = u.data
        FROM unnest(u_command, u_status, u_data) AS u (command_id, status, data)
        WHERE c.command_id = u.command_id AND c.status IS NULL;
    END IF;

    RETURN QUERY
        SELECT o.n, o.outcome, coalesce(c.position, o.last), c.sequence, stamp, c.fingerprint, c.status, c.data
        FROM (
            SELECT v.n, v.outcome, v.last, r_command[v.n] AS command_id
            FROM unnest(outcomes, lasts) WITH ORDINALITY AS v (outcome, last, n)
            UNION ALL
            SELECT cardinality(r_command) + u.n, 'U', 0, u.command_id
            FROM unnest(u_command) WITH ORDINALITY AS u (command_id, n)
        ) o
        LEFT JOIN LATERAL (
            SELECT * FROM command_receipts r WHERE r.command_id = o.command_id
        ) c ON o.outcome IN ('D', 'U')
        ORDER BY o.n;
END $$;

REVOKE ALL ON FUNCTION append_events, release_portions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_events, release_portions TO homefood_command;
-- A claim changes its state and nothing else.
GRANT SELECT, INSERT, UPDATE (state) ON portion_claims TO homefood_command;
