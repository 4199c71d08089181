-- The newest snapshot helps whoever wants the newest state. Of long streams one in every so many stays behind, so that an
-- old version is never further than that from a state, however long the stream has become. Only a cache, too.
CREATE TABLE snapshot_landmarks (
    aggregate_type text   NOT NULL,
    aggregate_id   text   NOT NULL,
    sequence       bigint NOT NULL,
    state_version  int    NOT NULL,
    state          json   NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence)
);

CREATE FUNCTION leave_landmark() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    apart CONSTANT bigint := 5000;
    last bigint := 0;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        last := OLD.sequence;
    END IF;
    IF NEW.sequence / apart > last / apart THEN
        INSERT INTO public.snapshot_landmarks (aggregate_type, aggregate_id, sequence, state_version, state)
        VALUES (NEW.aggregate_type, NEW.aggregate_id, NEW.sequence, NEW.state_version, NEW.state)
        ON CONFLICT (aggregate_type, aggregate_id, sequence)
        DO UPDATE SET state_version = EXCLUDED.state_version, state = EXCLUDED.state;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION leave_landmark FROM PUBLIC;

CREATE TRIGGER snapshots_leave_landmarks AFTER INSERT OR UPDATE ON snapshots
    FOR EACH ROW EXECUTE FUNCTION leave_landmark();

GRANT SELECT ON snapshot_landmarks TO homefood_command, homefood_projection;
