-- Who may do what. Each service signs in as a role of its own that can do what the service does and nothing else, so
-- that a defect, or whoever took a service over, cannot rewrite history. The owner of the tables is whoever migrates.
--
-- Roles belong to the whole cluster, and several databases of one cluster may be migrated at once: a role that is
-- there, or is being made by somebody else, is taken as it is. So a deployment may also make the roles beforehand and
-- migrate as an owner that cannot. They have no passwords; a deployment sets them.
DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY '{homefood_command,homefood_projection,homefood_analyst}'::text[] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = service);
        BEGIN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', service);
            -- Only whoever made the role gets here, so no two change it at the same time.
            IF service = 'homefood_analyst' THEN
                ALTER ROLE homefood_analyst SET default_transaction_read_only = on;
                ALTER ROLE homefood_analyst SET statement_timeout = '30s';
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END $$;

-- Functions are everybody's unless told otherwise.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;

-- The write side appends and never changes what was written. append_events runs with the caller's rights.
GRANT USAGE ON SCHEMA public TO homefood_command, homefood_projection;
GRANT EXECUTE ON FUNCTION append_events TO homefood_command;
GRANT SELECT, INSERT ON events TO homefood_command;
GRANT SELECT, UPDATE (position) ON log_head TO homefood_command;
GRANT SELECT, INSERT, UPDATE (status, data), DELETE ON command_receipts TO homefood_command;
GRANT SELECT, INSERT, DELETE ON timers TO homefood_command;
GRANT SELECT, INSERT, UPDATE, DELETE ON snapshots TO homefood_command;
GRANT SELECT, INSERT, UPDATE (position) ON process_manager_checkpoints TO homefood_command;
-- Whoever makes a subject's key at the same time gets the first one; the key itself cannot be overwritten.
GRANT SELECT, INSERT, UPDATE (subject_id) ON subject_keys TO homefood_command;
GRANT SELECT ON categories, producers, dishes TO homefood_command;
GRANT SELECT, INSERT, UPDATE ON dev_fake_payments TO homefood_command;

-- The read side reads the log and owns the read models.
GRANT SELECT ON events, log_head, subject_keys, categories, producers, dishes TO homefood_projection;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE
    ON orders, payments, feed_orders, feed_heads, feed_entries TO homefood_projection;
GRANT SELECT, INSERT, UPDATE, DELETE ON projection_checkpoints, ws_tickets, dish_views TO homefood_projection;

-- Both sides park what they cannot handle.
GRANT SELECT, INSERT, UPDATE ON dead_letters TO homefood_command;
GRANT SELECT, INSERT, UPDATE, DELETE ON dead_letters TO homefood_projection;

-- Both sides look whether the database is as new as they are. The table is the migrating tool's own.
DO $$
BEGIN
    IF to_regclass('_sqlx_migrations') IS NOT NULL THEN
        GRANT SELECT ON _sqlx_migrations TO homefood_command, homefood_projection;
    END IF;
END $$;

-- Analysts see what happened to what and when, and nothing of what was said: payload and metadata may be personal.
-- A view runs with its owner's rights, so no table has to be opened to them.
CREATE SCHEMA analytics;
CREATE VIEW analytics.events WITH (security_barrier) AS
SELECT position, aggregate_type, aggregate_id, sequence, event_type, event_version, event_id, correlation_id,
       causation_id, actor, occurred_at, recorded_at
FROM public.events;
GRANT USAGE ON SCHEMA analytics TO homefood_analyst;
GRANT SELECT ON analytics.events TO homefood_analyst;
