-- Hours and quarters of a day between quarter hours and days: each end of a long range is then at most eleven rows per
-- kitchen or dish, and not 95.
ALTER TABLE order_rollups
    DROP CONSTRAINT order_rollups_width_check,
    ADD CONSTRAINT order_rollups_width_check CHECK (width IN ('QUARTER', 'HOUR', 'SIX_HOURS', 'DAY', 'MONTH'));
ALTER TABLE dish_rollups
    DROP CONSTRAINT dish_rollups_width_check,
    ADD CONSTRAINT dish_rollups_width_check CHECK (width IN ('QUARTER', 'HOUR', 'SIX_HOURS', 'DAY', 'MONTH'));

-- What was folded before has quarters; the new stretches are their sums.
INSERT INTO order_rollups (basis, width, bucket, producer_id, currency, orders, completed, cancelled, revenue_minor,
                           refunded_minor, ratings, rating_points, deliveries, delivery_micros)
SELECT r.basis, w.width, date_bin(w.length, r.bucket, '1970-01-01Z') AS stretch, r.producer_id, r.currency,
       sum(r.orders), sum(r.completed), sum(r.cancelled), sum(r.revenue_minor), sum(r.refunded_minor), sum(r.ratings),
       sum(r.rating_points), sum(r.deliveries), sum(r.delivery_micros)
FROM order_rollups r
CROSS JOIN (VALUES ('HOUR', interval '1 hour'), ('SIX_HOURS', interval '6 hours')) AS w (width, length)
WHERE r.width = 'QUARTER'
GROUP BY r.basis, w.width, stretch, r.producer_id, r.currency;

INSERT INTO dish_rollups (width, bucket, dish_id, producer_id, currency, orders, portions, revenue_minor, ratings,
                          rating_points)
SELECT w.width, date_bin(w.length, r.bucket, '1970-01-01Z') AS stretch, r.dish_id, r.producer_id, r.currency,
       sum(r.orders), sum(r.portions), sum(r.revenue_minor), sum(r.ratings), sum(r.rating_points)
FROM dish_rollups r
CROSS JOIN (VALUES ('HOUR', interval '1 hour'), ('SIX_HOURS', interval '6 hours')) AS w (width, length)
WHERE r.width = 'QUARTER'
GROUP BY w.width, stretch, r.dish_id, r.producer_id, r.currency;
