-- A batch changes every sum of its hours and days at once. In a page that is more than half full not all of their new
-- versions find room, so sums of the same width wandered apart, and a report read a page for each.
ALTER TABLE order_rollups SET (fillfactor = 50);
ALTER TABLE dish_rollups SET (fillfactor = 50);

-- Empty tables like the live ones, with their rights and now also with the room that their pages leave; with their keys,
-- too, unless they are to be bare. Whatever is missing is made when the tables are full.
CREATE OR REPLACE FUNCTION create_generation(projection text, generation int, tables text[], bare boolean DEFAULT false)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    s text := public.generation_schema(projection, generation);
    t text;
    c record;
BEGIN
    PERFORM public.check_read_models(tables);
    EXECUTE format('CREATE SCHEMA %I', s);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', s, session_user);
    FOREACH t IN ARRAY tables LOOP
        EXECUTE format('CREATE TABLE %I.%I (LIKE public.%I INCLUDING ALL EXCLUDING INDEXES)', s, t, t)
            || coalesce((SELECT format(' WITH (%s)', array_to_string(reloptions, ', ')) FROM pg_class
                         WHERE oid = format('public.%I', t)::regclass AND reloptions IS NOT NULL), '');
        FOR c IN SELECT a.privilege_type, r.rolname FROM pg_class k, aclexplode(k.relacl) a
                 LEFT JOIN pg_roles r ON r.oid = a.grantee WHERE k.oid = format('public.%I', t)::regclass LOOP
            EXECUTE format('GRANT %s ON %I.%I TO %s', c.privilege_type, s, t, coalesce(quote_ident(c.rolname), 'PUBLIC'));
        END LOOP;
    END LOOP;
    IF NOT bare THEN
        PERFORM public.key_generation(projection, generation, tables);
    END IF;
END $$;
