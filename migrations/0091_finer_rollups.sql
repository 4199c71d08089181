-- Five minutes, so that what is left at the ends of a range is few orders, however many there are in all; three hours
-- instead of six, since the days of Moscow are made of them. All sums are made anew from the facts. There are too many
-- dishes for stretches of five minutes.
ALTER TABLE order_rollups DROP CONSTRAINT order_rollups_width_check;
ALTER TABLE dish_rollups DROP CONSTRAINT dish_rollups_width_check;

CREATE TEMPORARY TABLE rollup_widths (width, cut) ON COMMIT DROP AS
VALUES ('FIVE_MINUTES', interval '5 minutes'), ('QUARTER', interval '15 minutes'), ('HOUR', interval '1 hour'),
       ('THREE_HOURS', interval '3 hours'), ('DAY', interval '1 day'), ('MONTH', NULL);

DELETE FROM order_rollups;
INSERT INTO order_rollups (basis, width, bucket, producer_id, currency, orders, completed, cancelled, revenue_minor,
                           refunded_minor, ratings, rating_points, deliveries, delivery_micros)
SELECT at.basis, w.width,
       coalesce(date_bin(w.cut, at.instant, '1970-01-01Z'), date_trunc('month', at.instant, 'UTC')) AS stretch,
       whose.producer_id, f.currency,
       count(*), count(*) FILTER (WHERE f.outcome = 'COMPLETED'), count(*) FILTER (WHERE f.outcome = 'CANCELLED'),
       coalesce(sum(f.total_minor) FILTER (WHERE f.outcome = 'COMPLETED'), 0),
       coalesce(sum(f.refunded_minor) FILTER (WHERE f.outcome = 'COMPLETED'), 0),
       count(f.rating), coalesce(sum(f.rating), 0),
       count(f.delivered_at - f.paid_at),
       coalesce(sum((extract(epoch FROM f.delivered_at - f.paid_at) * 1000000)::bigint), 0)
FROM order_facts f
CROSS JOIN LATERAL (VALUES ('CREATED', f.created_at), ('COMPLETED', f.completed_at)) AS at (basis, instant)
CROSS JOIN LATERAL (VALUES (f.producer_id), ('00000000-0000-0000-0000-000000000000')) AS whose (producer_id)
CROSS JOIN rollup_widths w
WHERE at.instant IS NOT NULL
GROUP BY at.basis, w.width, stretch, whose.producer_id, f.currency;

DELETE FROM dish_rollups;
INSERT INTO dish_rollups (width, bucket, dish_id, producer_id, currency, orders, portions, revenue_minor, ratings,
                          rating_points)
SELECT w.width, coalesce(date_bin(w.cut, d.created_at, '1970-01-01Z'), date_trunc('month', d.created_at, 'UTC')) AS stretch,
       d.dish_id, d.producer_id, d.currency, count(*), sum(d.portions), sum(d.revenue_minor), sum(d.ratings),
       sum(d.rating_points)
FROM (
    -- An order counts once for a dish, however many lines have it.
    SELECT f.order_id, f.created_at, l.dish_id, f.producer_id, f.currency, sum(l.quantity) AS portions,
           sum(CASE WHEN f.outcome = 'COMPLETED' THEN l.line_total_minor ELSE 0 END) AS revenue_minor,
           count(DISTINCT l.rating) AS ratings, coalesce(max(l.rating), 0) AS rating_points
    FROM order_facts f
    JOIN order_line_facts l USING (order_id)
    GROUP BY f.order_id, l.dish_id
) AS d
CROSS JOIN rollup_widths w
WHERE w.width <> 'FIVE_MINUTES'
GROUP BY w.width, stretch, d.dish_id, d.producer_id, d.currency;

ALTER TABLE order_rollups ADD CONSTRAINT order_rollups_width_check
    CHECK (width IN ('FIVE_MINUTES', 'QUARTER', 'HOUR', 'THREE_HOURS', 'DAY', 'MONTH'));
ALTER TABLE dish_rollups ADD CONSTRAINT dish_rollups_width_check
    CHECK (width IN ('QUARTER', 'HOUR', 'THREE_HOURS', 'DAY', 'MONTH'));

-- Every kitchen's at one time. Everybody's sums are found by the primary key, and never here among the kitchens'.
DROP INDEX order_rollups_bucket_idx;
CREATE INDEX order_rollups_bucket_idx ON order_rollups (width, bucket)
    WHERE basis = 'CREATED' AND producer_id <> '00000000-0000-0000-0000-000000000000';
