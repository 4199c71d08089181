-- Hours between quarter hours and days: the ends of a long range are then tens of rows per kitchen and not hundreds.
ALTER TABLE order_rollups
    DROP CONSTRAINT order_rollups_width_check,
    ADD CONSTRAINT order_rollups_width_check CHECK (width IN ('QUARTER', 'HOUR', 'DAY', 'MONTH'));
ALTER TABLE dish_rollups
    DROP CONSTRAINT dish_rollups_width_check,
    ADD CONSTRAINT dish_rollups_width_check CHECK (width IN ('QUARTER', 'HOUR', 'DAY', 'MONTH'));

-- What was folded before has quarters; its hours are their sums.
INSERT INTO order_rollups (basis, width, bucket, producer_id, currency, orders, completed, cancelled, revenue_minor,
                           refunded_minor, ratings, rating_points, deliveries, delivery_micros)
SELECT basis, 'HOUR', date_trunc('hour', bucket, 'UTC') AS hour, producer_id, currency, sum(orders), sum(completed),
       sum(cancelled), sum(revenue_minor), sum(refunded_minor), sum(ratings), sum(rating_points), sum(deliveries),
       sum(delivery_micros)
FROM order_rollups
WHERE width = 'QUARTER'
GROUP BY basis, hour, producer_id, currency;

INSERT INTO dish_rollups (width, bucket, dish_id, producer_id, currency, orders, portions, revenue_minor, ratings,
                          rating_points)
SELECT 'HOUR', date_trunc('hour', bucket, 'UTC') AS hour, dish_id, producer_id, currency, sum(orders), sum(portions),
       sum(revenue_minor), sum(ratings), sum(rating_points)
FROM dish_rollups
WHERE width = 'QUARTER'
GROUP BY hour, dish_id, producer_id, currency;
