-- A rebuild by stream writes each row once, by COPY: into tables without any index, which are then made over the whole
-- table at a time.

DROP FUNCTION create_generation(text, int, text[]);

-- Empty tables like the live ones, with their rights; with their keys, too, unless they are to be bare. Whatever is
-- missing is made when the tables are full.
CREATE FUNCTION create_generation(projection text, generation int, tables text[], bare boolean DEFAULT false) RETURNS void
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
        FOR c IN SELECT a.privilege_type, r.rolname FROM pg_class k, aclexplode(k.relacl) a
                 LEFT JOIN pg_roles r ON r.oid = a.grantee WHERE k.oid = format('public.%I', t)::regclass LOOP
            EXECUTE format('GRANT %s ON %I.%I TO %s', c.privilege_type, s, t, coalesce(quote_ident(c.rolname), 'PUBLIC'));
        END LOOP;
    END LOOP;
    IF NOT bare THEN
        PERFORM public.key_generation(projection, generation, tables);
    END IF;
END $$;

-- The keys of the live tables that a generation lacks, under the same names.
CREATE FUNCTION key_generation(projection text, generation int, tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    s text := public.generation_schema(projection, generation);
    t text;
    c record;
BEGIN
    PERFORM public.check_read_models(tables);
    FOREACH t IN ARRAY tables LOOP
        FOR c IN SELECT conname, pg_get_constraintdef(oid) AS def FROM pg_constraint k
                 WHERE conrelid = format('public.%I', t)::regclass AND contype IN ('p', 'u', 'x')
                   AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conname = k.conname
                                   AND o.conrelid = format('%I.%I', s, t)::regclass) LOOP
            EXECUTE format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', s, t, c.conname, c.def);
        END LOOP;
    END LOOP;
END $$;

-- The keys and indexes of the live tables that a full generation still lacks, under the same names.
CREATE OR REPLACE FUNCTION index_generation(projection text, generation int, tables text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET maintenance_work_mem = '128MB' AS $$
DECLARE
    s text := public.generation_schema(projection, generation);
    t text;
    i record;
BEGIN
    PERFORM public.key_generation(projection, generation, tables);
    FOREACH t IN ARRAY tables LOOP
        FOR i IN SELECT x.relname, pg_get_indexdef(x.oid) AS def FROM pg_index n JOIN pg_class x ON x.oid = n.indexrelid
                 WHERE n.indrelid = format('public.%I', t)::regclass
                   AND to_regclass(format('%I.%I', s, x.relname)) IS NULL LOOP
            EXECUTE replace(i.def, format(' ON public.%I ', t), format(' ON %I.%I ', s, t));
        END LOOP;
        EXECUTE format('ANALYZE %I.%I', s, t);
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION create_generation, key_generation FROM PUBLIC;
GRANT EXECUTE ON FUNCTION create_generation TO homefood_projection;
