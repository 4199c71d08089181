-- Letters of events that users were told of: a generation that refuses them makes letters of what was taken before.

-- Whoever takes such a letter folds it in silence.
ALTER TABLE dead_letters ADD COLUMN told boolean NOT NULL DEFAULT false;
