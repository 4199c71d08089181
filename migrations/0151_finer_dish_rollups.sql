-- Dishes, too, in stretches of five minutes: a busy quarter of an hour at each end of a range is hundreds of orders, looked
-- up one by one.
ALTER TABLE dish_rollups DROP CONSTRAINT dish_rollups_width_check;
ALTER TABLE dish_rollups ADD CONSTRAINT dish_rollups_width_check
    CHECK (width IN ('FIVE_MINUTES', 'QUARTER', 'HOUR', 'THREE_HOURS', 'DAY', 'MONTH'));

INSERT INTO dish_rollups (width, bucket, dish_id, producer_id, currency, orders, portions, revenue_minor, ratings,
                          rating_points)
SELECT 'FIVE_MINUTES', date_bin('5 minutes', d.created_at, '1970-01-01Z') AS stretch, d.dish_id, d.producer_id, d.currency,
       count(*), sum(d.portions), sum(d.revenue_minor), sum(d.ratings), sum(d.rating_points)
FROM (
    -- An order counts once for a dish, however many lines have it.
    SELECT f.created_at, l.dish_id, f.producer_id, f.currency, sum(l.quantity) AS portions,
           sum(CASE WHEN f.outcome = 'COMPLETED' THEN l.line_total_minor ELSE 0 END) AS revenue_minor,
           max((l.rating IS NOT NULL)::int) AS ratings, coalesce(max(l.rating), 0) AS rating_points
    FROM order_facts f
    JOIN order_line_facts l USING (order_id)
    GROUP BY f.order_id, l.dish_id
) AS d
GROUP BY stretch, d.dish_id, d.producer_id, d.currency;
