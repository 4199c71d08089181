-- When rows of the projection were last changed otherwise than by events of theirs: healed, or replaced by a rebuild that
-- differed. They keep their versions, so whoever has a version from before may have another picture of it. By the clock
-- that events are dated by.
ALTER TABLE projection_checkpoints ADD COLUMN repaired_at timestamptz;
