-- Generations of read models: a rebuild fills tables in a schema of its own beside the live ones, and takes their place
-- in one transaction. The live tables are always those in public, so no query knows of generations.

CREATE TABLE projection_generations (
    projection   text   NOT NULL,
    generation   int    NOT NULL,
    -- building: being filled; live: in public; kept: replaced, and can come back.
    state        text   NOT NULL CHECK (state IN ('building', 'live', 'kept')),
    -- Streams are taken whole, in order of their ids, with their events up to here; …
    target       bigint NOT NULL DEFAULT 0,
    -- … this event of this one is the last that was taken; …
    after_stream text,
    after_sequence bigint,
    -- … and once all are, events are taken in order of the log: the last one.
    position     bigint NOT NULL DEFAULT 0,
    -- Events taken so far.
    events       bigint NOT NULL DEFAULT 0,
    -- The operation that fills it, or last did.
    operation_id uuid,
    since        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (projection, generation)
);
-- The tables in public are of one generation.
CREATE UNIQUE INDEX projection_generations_live_key ON projection_generations (projection) WHERE state = 'live';

-- What the fold refused while a generation was filled: the aggregate stands still from there on.
CREATE TABLE projection_refusals (
    projection     text   NOT NULL,
    generation     int    NOT NULL,
    aggregate_type text   NOT NULL,
    aggregate_id   uuid   NOT NULL,
    position       bigint NOT NULL,
    error          text   NOT NULL,
    PRIMARY KEY (projection, generation, aggregate_id),
    FOREIGN KEY (projection, generation) REFERENCES projection_generations ON DELETE CASCADE
);

GRANT SELECT, INSERT, UPDATE, DELETE ON projection_generations, projection_refusals TO homefood_projection;
-- History starts from snapshots where there are any.
GRANT SELECT ON snapshots TO homefood_projection;

-- The read side may not change tables. It may have read models replaced, through these functions, which run as the
-- owner: only such tables as the caller could empty anyway.

CREATE FUNCTION generation_schema(projection text, generation int) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT 'generation_' || projection || '_' || generation $$;

CREATE FUNCTION check_read_models(tables text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY tables LOOP
        IF NOT has_table_privilege(session_user, format('public.%I', t), 'TRUNCATE') THEN
            RAISE EXCEPTION '% is not a read model of yours', t USING ERRCODE = '42501';
        END IF;
    END LOOP;
END $$;

-- Empty tables like the live ones, with their keys and rights. Other indexes are made when the tables are full.
CREATE FUNCTION create_generation(projection text, generation int, tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    s text := public.generation_schema(projection, generation);
    t text;
    c record;
BEGIN
    PERFORM public.check_read_models(tables);
    EXECUTE format('CREATE SCHEMA %I', s);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', s, session_user);
    FOREACH t IN ARRAY tables LOOP
        EXECUTE format('CREATE TABLE %I.%I (LIKE public.%I INCLUDING ALL EXCLUDING INDEXES)', s, t, t);
        FOR c IN SELECT conname, pg_get_constraintdef(oid) AS def FROM pg_constraint
                 WHERE conrelid = format('public.%I', t)::regclass AND contype IN ('p', 'u', 'x') LOOP
            EXECUTE format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', s, t, c.conname, c.def);
        END LOOP;
        FOR c IN SELECT a.privilege_type, r.rolname FROM pg_class k, aclexplode(k.relacl) a
                 LEFT JOIN pg_roles r ON r.oid = a.grantee WHERE k.oid = format('public.%I', t)::regclass LOOP
            EXECUTE format('GRANT %s ON %I.%I TO %s', c.privilege_type, s, t, coalesce(quote_ident(c.rolname), 'PUBLIC'));
        END LOOP;
    END LOOP;
END $$;

-- The indexes of the live tables that a full generation still lacks, under the same names.
CREATE FUNCTION index_generation(projection text, generation int, tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    s text := public.generation_schema(projection, generation);
    t text;
    i record;
BEGIN
    PERFORM public.check_read_models(tables);
    FOREACH t IN ARRAY tables LOOP
        FOR i IN SELECT x.relname, pg_get_indexdef(x.oid) AS def FROM pg_index n JOIN pg_class x ON x.oid = n.indexrelid
                 WHERE n.indrelid = format('public.%I', t)::regclass
                   AND to_regclass(format('%I.%I', s, x.relname)) IS NULL LOOP
            EXECUTE replace(i.def, format(' ON public.%I ', t), format(' ON %I.%I ', s, t));
        END LOOP;
        EXECUTE format('ANALYZE %I.%I', s, t);
    END LOOP;
END $$;

-- The tables of generation `new` become the live ones, and those that were live move to the schema of generation `old`.
-- Waits a short time for queries that run; those that come meanwhile wait for the swap, and then read the new tables.
CREATE FUNCTION swap_generation(projection text, old int, new int, tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '1s' AS $$
DECLARE
    old_schema text := public.generation_schema(projection, old);
    new_schema text := public.generation_schema(projection, new);
    t text;
    v record;
    views text[] := '{}';
BEGIN
    PERFORM public.check_read_models(tables);
    -- Views are bound to the tables they were made over; they are made again over the new ones.
    FOR v IN SELECT DISTINCT k.oid::regclass AS name, pg_get_viewdef(k.oid) AS def, k.reloptions
             FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid JOIN pg_class k ON k.oid = w.ev_class
             WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND k.relkind = 'v'
               AND d.refobjid = ANY (SELECT format('public.%I', x)::regclass FROM unnest(tables) x) LOOP
        views := views || format('CREATE OR REPLACE VIEW %s %s AS %s', v.name,
            CASE WHEN v.reloptions IS NULL THEN '' ELSE 'WITH (' || array_to_string(v.reloptions, ', ') || ')' END, v.def);
    END LOOP;
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', old_schema);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', old_schema, session_user);
    FOREACH t IN ARRAY tables LOOP
        EXECUTE format('LOCK TABLE public.%I, %I.%I IN ACCESS EXCLUSIVE MODE', t, new_schema, t);
    END LOOP;
    FOREACH t IN ARRAY tables LOOP
        EXECUTE format('ALTER TABLE public.%I SET SCHEMA %I', t, old_schema);
        EXECUTE format('ALTER TABLE %I.%I SET SCHEMA public', new_schema, t);
    END LOOP;
    FOREACH t IN ARRAY views LOOP
        EXECUTE t;
    END LOOP;
END $$;

-- Throws a generation away that is not the live one.
CREATE FUNCTION drop_generation(projection text, generation int, tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM public.check_read_models(tables);
    EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', public.generation_schema(projection, generation));
END $$;

REVOKE ALL ON FUNCTION generation_schema, check_read_models, create_generation, index_generation, swap_generation,
    drop_generation FROM PUBLIC;
GRANT EXECUTE ON FUNCTION generation_schema, create_generation, index_generation, swap_generation, drop_generation
    TO homefood_projection;
