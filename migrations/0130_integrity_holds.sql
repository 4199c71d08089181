-- Payments whose provider contradicts what was asked stand still until two administrators have agreed. There are few, and
-- they are counted every few seconds: the index holds those alone.
CREATE INDEX payments_on_hold_idx ON payments (id) WHERE doc ->> 'integrity_hold' = 'true';
