//! Counting looks at dishes: once per viewer, dish and half hour, written in batches.

use std::{collections::HashMap, sync::Arc, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};
use parking_lot::Mutex;
use shared::domain::DishId;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A look within this time of the last is the same look.
const SAME_LOOK: Duration = Duration::from_secs(30 * 60);
/// Looks remembered; beyond that the oldest may be counted again.
const LOOKS_MAX: u64 = 100_000;
/// Dishes counted between two writes; beyond that looks are not counted.
const DISHES_MAX: usize = 10_000;
/// How often counts are written.
const FLUSH: Duration = Duration::from_secs(2);

/// Counts looks at dishes. Clones count together.
#[derive(Debug, Clone)]
pub struct DishViews {
    seen: Cache<(u64, DishId), ()>,
    counts: Arc<Mutex<HashMap<Uuid, i64>>>,
}

impl Default for DishViews {
    fn default() -> Self {
        let seen = Cache::builder()
            .max_capacity(LOOKS_MAX)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(SAME_LOOK)
            .build();
        Self { seen, counts: Arc::default() }
    }
}

impl DishViews {
    /// `viewer` (a hash of who it is) looks at the dish.
    pub fn saw(&self, viewer: u64, dish_id: DishId) {
        if !self.seen.entry((viewer, dish_id)).or_insert(()).is_fresh() {
            return;
        }
        let mut counts = self.counts.lock();
        if counts.len() < DISHES_MAX || counts.contains_key(&dish_id.0) {
            *counts.entry(dish_id.0).or_default() += 1;
        }
    }

    /// Writes what was counted since the last time.
    pub async fn flush(&self, db: &PgPool) -> Result<(), sqlx::Error> {
        let counts = std::mem::take(&mut *self.counts.lock());
        if counts.is_empty() {
            return Ok(());
        }
        let written = write(db, &counts).await;
        if written.is_err() {
            let mut newer = self.counts.lock();
            for (dish_id, looks) in counts {
                *newer.entry(dish_id).or_default() += looks;
            }
        }
        written
    }

    /// Writes regularly, and a last time at the shutdown.
    pub async fn keep_flushing(&self, db: &PgPool, shutdown: &CancellationToken) -> Result<(), sqlx::Error> {
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(FLUSH) => {}
                () = shutdown.cancelled() => {}
            }
            self.flush(db).await?;
        }
        Ok(())
    }
}

async fn write(db: &PgPool, counts: &HashMap<Uuid, i64>) -> Result<(), sqlx::Error> {
    // In one order everywhere, so that two processes do not wait for each other in a circle.
    let mut counts: Vec<_> = counts.iter().map(|(id, looks)| (*id, *looks)).collect();
    counts.sort_unstable();
    sqlx::query(
        "
        INSERT INTO dish_views (dish_id, views)
        SELECT r.dish_id, r.looks
        FROM UNNEST($1::uuid[], $2::bigint[]) AS r (dish_id, looks)
        JOIN dishes d ON d.id = r.dish_id
        ORDER BY r.dish_id
        ON CONFLICT (dish_id) DO UPDATE SET views = dish_views.views + EXCLUDED.views
        ",
    )
    .bind(counts.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(counts.iter().map(|(_, looks)| *looks).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_look_within_half_an_hour_is_the_same_look() {
        let (views, dish) = (DishViews::default(), DishId(Uuid::from_u128(1)));
        views.saw(1, dish);
        views.saw(1, dish);
        views.saw(2, dish);
        assert_eq!(views.counts.lock()[&dish.0], 2);
    }
}
