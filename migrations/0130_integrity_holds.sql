-- Payments whose provider contradicts what was asked stand still until two administrators have agreed. There are few, and
-- they are counted every few seconds: the index holds those alone. It reads a column that hardly ever changes; over the
-- document itself it would make every change of a payment touch every index.
ALTER TABLE payments
    ADD COLUMN on_hold boolean NOT NULL GENERATED ALWAYS AS (coalesce(doc ->> 'integrity_hold' = 'true', false)) STORED;
CREATE INDEX payments_on_hold_idx ON payments (id) WHERE on_hold;
