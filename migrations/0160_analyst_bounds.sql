-- An analyst only reads, whatever the session is told: default_transaction_read_only is a default, which every session may
-- switch off, so what could be written is taken away as a right. Postgres gives everybody temporary tables, large
-- objects, words of one's own in the journal, and advisory locks, by which the services agree who leads: their keys
-- stand in pg_locks, so whoever may lock can keep an office vacant.
DO $$
DECLARE
    everybodys regprocedure;
    owner name := (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database());
BEGIN
    IF pg_has_role(owner, 'USAGE') THEN
        -- An audit folds into temporary tables; so do migrations.
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO homefood_projection, %I', current_database(), current_user);
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    END IF;
    -- What comes with Postgres belongs to a superuser.
    FOR everybodys IN
        SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND pg_has_role(proowner, 'USAGE')
          AND (proname ~ '^(pg_(try_)?advisory|lo)_' OR proname IN ('loread', 'lowrite', 'pg_logical_emit_message'))
    LOOP
        IF everybodys::text ~ 'advisory_' THEN
            -- Who migrates locks, too.
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO homefood_command, %I, %I', everybodys, current_user, owner);
        END IF;
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', everybodys);
    END LOOP;
    IF has_function_privilege('homefood_analyst', 'pg_advisory_lock(bigint)', 'EXECUTE')
        OR has_database_privilege('homefood_analyst', current_database(), 'TEMPORARY') THEN
        RAISE NOTICE 'homefood_analyst keeps what Postgres gives everybody: advisory locks, large objects or temporary tables. '
            'A superuser takes them away by running 0160_analyst_bounds.sql.';
    END IF;
END $$;

-- The role is the whole cluster's: databases that are migrated at once change it at the same time, and all but one are
-- told so. What is set already is not set again.
DO $$
DECLARE
    setting text;
BEGIN
    FOR attempt IN 1..20 LOOP
        BEGIN
            IF (SELECT rolconnlimit FROM pg_roles WHERE rolname = 'homefood_analyst') = -1 THEN
                ALTER ROLE homefood_analyst CONNECTION LIMIT 10;
            END IF;
            FOREACH setting IN ARRAY '{idle_in_transaction_session_timeout=60s,lock_timeout=10s}'::text[] LOOP
                CONTINUE WHEN EXISTS (
                    SELECT FROM pg_db_role_setting s, unnest(s.setconfig) AS own
                    WHERE s.setrole = 'homefood_analyst'::regrole AND s.setdatabase = 0
                      AND own LIKE split_part(setting, '=', 1) || '=%'
                );
                EXECUTE format('ALTER ROLE homefood_analyst SET %I = %L', split_part(setting, '=', 1), split_part(setting, '=', 2));
            END LOOP;
            EXIT;
        EXCEPTION
            -- "tuple concurrently updated": another database was first.
            WHEN internal_error OR unique_violation THEN
                IF attempt = 20 THEN
                    RAISE;
                END IF;
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'homefood_analyst has no limits on connections, locks and idle transactions: %', SQLERRM;
                EXIT;
        END;
    END LOOP;
END $$;
