-- A person's data is erased by destroying the key that it was sealed with: what stands in the log, in its mirror and in the
-- read models stays as it is, and nobody can read it any more. A backup holds the keys of its day; one that is restored
-- has the erasures after it done again.

-- Who had whose key destroyed, when and why. Only ever added to, and only by erase_subject.
CREATE TABLE erasures (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject_id uuid        NOT NULL,
    erased_at  timestamptz NOT NULL DEFAULT now(),
    erased_by  text        NOT NULL,
    reason     text        NOT NULL CHECK (reason <> '')
);
-- Whether what cannot be opened was erased.
CREATE INDEX erasures_subject_idx ON erasures (subject_id);

-- No service may delete keys; this does it with the owner's rights, together with the record of it. Answers when the
-- subject was erased last: now, or earlier if there is no key; NULL if there never was one.
CREATE FUNCTION erase_subject(subject uuid, who text, why text) RETURNS timestamptz
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    at timestamptz;
BEGIN
    DELETE FROM subject_keys k WHERE k.subject_id = subject;
    IF FOUND THEN
        INSERT INTO erasures (subject_id, erased_by, reason) VALUES (subject, who, why) RETURNING erased_at INTO at;
        PERFORM pg_notify('homefood_erasures', subject::text);
        RETURN at;
    END IF;
    SELECT max(e.erased_at) INTO at FROM erasures e WHERE e.subject_id = subject;
    RETURN at;
END $$;

REVOKE ALL ON FUNCTION erase_subject FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_subject TO homefood_command;
GRANT SELECT ON erasures TO homefood_command, homefood_projection;
