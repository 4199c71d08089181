-- Appends a batch of requests in one transaction and one round trip.
--
-- Under the lock of log_head every request is judged by itself: its receipt may exist already (D), its stream may have
-- moved on (C), or it is appended (A) at the next positions. A request that is chained follows another one of the same
-- stream in this batch; it falls with the one it follows, because it was decided on that one's events.
--
-- The planner has no statistics worth trusting for arrays; the settings keep it on the indexes, whose cost does not
-- depend on the size of the log, and have it plan each statement once a session: planning a batch of one anew took
-- several times as long as appending it.
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
    u_data           text[]
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
