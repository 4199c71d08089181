-- What reports count, for analysts: they ask facts instead of searching the log. The views of single types of events are
-- not written here; the migrating program makes them from the events' schemas (shared/src/analyst).

CREATE VIEW analytics.order_facts WITH (security_barrier) AS
SELECT order_id, customer_id, producer_id, currency, outcome, total_minor, refunded_minor, rating, created_at, paid_at,
       delivered_at, completed_at, cancelled_at
FROM public.order_facts;

CREATE VIEW analytics.order_line_facts WITH (security_barrier) AS
SELECT order_id, line_no, dish_id, dish_name, quantity, unit_price_minor, line_total_minor, rating
FROM public.order_line_facts;

GRANT SELECT ON analytics.order_facts, analytics.order_line_facts TO homefood_analyst;

COMMENT ON VIEW analytics.order_facts IS 'One row per order, with what reports count. A few milliseconds behind the log.';
COMMENT ON COLUMN analytics.order_facts.order_id IS 'The order.';
COMMENT ON COLUMN analytics.order_facts.customer_id IS 'Who ordered: an id without a name.';
COMMENT ON COLUMN analytics.order_facts.producer_id IS 'The kitchen.';
COMMENT ON COLUMN analytics.order_facts.currency IS 'The ISO 4217 code of every amount of the order.';
COMMENT ON COLUMN analytics.order_facts.outcome IS 'OPEN, COMPLETED or CANCELLED.';
COMMENT ON COLUMN analytics.order_facts.total_minor IS 'The price with delivery, in minor units (kopecks).';
COMMENT ON COLUMN analytics.order_facts.refunded_minor IS 'What was decided to go back, arrived or not, in minor units.';
COMMENT ON COLUMN analytics.order_facts.rating IS 'The mark for the order, 1 to 5; NULL without one.';
COMMENT ON COLUMN analytics.order_facts.created_at IS 'When it was placed.';
COMMENT ON COLUMN analytics.order_facts.paid_at IS 'When it was paid; NULL if it was not.';
COMMENT ON COLUMN analytics.order_facts.delivered_at IS 'When it was handed over; NULL if it was not.';
COMMENT ON COLUMN analytics.order_facts.completed_at IS 'When it was completed; NULL if it was not.';
COMMENT ON COLUMN analytics.order_facts.cancelled_at IS 'When it was called off; NULL if it was not.';

COMMENT ON VIEW analytics.order_line_facts IS 'One row per line of an order.';
COMMENT ON COLUMN analytics.order_line_facts.order_id IS 'The order.';
COMMENT ON COLUMN analytics.order_line_facts.line_no IS '1, 2, 3, … in the order.';
COMMENT ON COLUMN analytics.order_line_facts.dish_id IS 'The dish.';
COMMENT ON COLUMN analytics.order_line_facts.dish_name IS 'Its name when it was ordered.';
COMMENT ON COLUMN analytics.order_line_facts.quantity IS 'How many portions.';
COMMENT ON COLUMN analytics.order_line_facts.unit_price_minor IS 'The price of one when it was ordered, in minor units.';
COMMENT ON COLUMN analytics.order_line_facts.line_total_minor IS 'unit_price_minor times quantity.';
COMMENT ON COLUMN analytics.order_line_facts.rating IS 'The mark for this dish, 1 to 5; NULL without one.';

COMMENT ON VIEW analytics.events IS 'Every event: what happened to what, and when. What was said is in the views of each type.';
COMMENT ON COLUMN analytics.events.position IS 'The place in the whole log: 1, 2, 3, …';
COMMENT ON COLUMN analytics.events.aggregate_type IS 'The kind of aggregate it happened to.';
COMMENT ON COLUMN analytics.events.aggregate_id IS 'The aggregate it happened to.';
COMMENT ON COLUMN analytics.events.sequence IS 'The place in the stream of its aggregate: 1, 2, 3, …';
COMMENT ON COLUMN analytics.events.event_type IS 'What happened; the view of that name says more.';
COMMENT ON COLUMN analytics.events.event_version IS 'The version of the schema that the event was written with.';
COMMENT ON COLUMN analytics.events.event_id IS 'The event''s own id.';
COMMENT ON COLUMN analytics.events.correlation_id IS 'The business flow it belongs to.';
COMMENT ON COLUMN analytics.events.causation_id IS 'The command or event that caused it.';
COMMENT ON COLUMN analytics.events.actor IS 'Who caused it: a kind and an id.';
COMMENT ON COLUMN analytics.events.occurred_at IS 'When it happened.';
COMMENT ON COLUMN analytics.events.recorded_at IS 'When it was recorded.';
