-- What is swept away by its age is looked for by its age. Of a table whose pages are used again, summaries of page ranges
-- (BRIN) keep the oldest row that ever lay there, so in the end every page is read for each portion that is deleted.
CREATE INDEX command_receipts_age_idx ON command_receipts (stored_at);
DROP INDEX command_receipts_stored_at_idx;
CREATE INDEX provider_inbox_age_idx ON provider_inbox (received_at);
DROP INDEX provider_inbox_received_at_idx;

-- Administrators page through all gifts, the newest first.
CREATE INDEX gifts_created_idx ON gifts (created_at DESC, id);
