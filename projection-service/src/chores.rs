//! What has to be done now and then: sweeping, counting, watching how far the projections are.

use std::{sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use parking_lot::Mutex;
use shared::{
    domain::{ledger::AccountKind, order::OrderStatus},
    log::Position,
    runtime::{
        BoxError, Platform, Verdict,
        health::Readiness,
        metrics::{Account, DeadLetter, Projection, Queue, QueueEntry, Status},
    },
};
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{LetterCount, RunnerParts, count_letters, parked, publish_missing, queues_of_others, sweep_letters},
    live::{Live, tickets},
    operations,
    projections::{
        NAMES,
        catalogue::DishViews,
        feed::forget_older,
        ledger,
        orders::{active_by_status, status_name},
        payments::on_hold,
    },
    rebuild::{Audit, RebuildParts, report},
};

/// How often things are counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// How often other services' dead letters are looked for that NATS has no copy of.
const COPY_EVERY: Duration = Duration::from_secs(2);
/// How often things are swept, and how many at a time.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const SWEEP_BATCH: i64 = 5_000;
/// How much longer entries of feeds are kept than they can be resumed from.
const ENTRIES_SPARE: TimeDelta = TimeDelta::days(1);
/// A redrive may have as many rows as it has letters.
const OPERATIONS_BATCH: i64 = 5;
/// How long letters are kept that are done with.
const LETTERS_KEPT: TimeDelta = TimeDelta::days(90);
/// How long operations are kept that ended.
const OPERATIONS_KEPT: TimeDelta = TimeDelta::days(90);
/// A projection that is further behind than this is degraded.
const LAG_MAX: Position = 10_000;
/// So is one that does not move for this long although there is something to fold.
const FROZEN_AFTER: Duration = Duration::from_secs(30);

/// Events that are folded anew for one sample.
const SAMPLE_EVENTS: u32 = 500;

const STATUSES: [OrderStatus; 7] = [
    OrderStatus::WaitingForPayment,
    OrderStatus::Paid,
    OrderStatus::Accepted,
    OrderStatus::Preparing,
    OrderStatus::Ready,
    OrderStatus::OutForDelivery,
    OrderStatus::Delivered,
];

/// Accounts on which something stands only as long as somebody has a claim.
const WATCHED_ACCOUNTS: [AccountKind; 4] =
    [AccountKind::Unapplied, AccountKind::RefundDue, AccountKind::GiftLiability, AccountKind::Escrow];

/// Starts all of it under the platform's supervisor.
pub(crate) fn start(platform: &Platform, parts: &RunnerParts, live: &Live, views: &DishViews) {
    let supervisor = &platform.supervisor;
    let (positions, db) = (parts.positions.clone(), parts.db.clone());
    supervisor.spawn("positions", move |shutdown| {
        let (positions, db) = (positions.clone(), db.clone());
        async move { Ok(positions.follow(&db, &shutdown).await?) }
    });
    let polled = live.clone();
    supervisor.spawn("feed_heads", move |shutdown| {
        let live = polled.clone();
        async move { live.poll_heads(&shutdown).await }
    });
    let (views, db) = (views.clone(), parts.db.clone());
    supervisor.spawn("dish_views", move |shutdown| {
        let (views, db) = (views.clone(), db.clone());
        async move { Ok(views.keep_flushing(&db, &shutdown).await?) }
    });
    let copied = parts.clone();
    supervisor.spawn("letter_copies", move |shutdown| copy_letters(copied.clone(), shutdown));
    let swept = parts.clone();
    supervisor.spawn("read_side_sweeper", move |shutdown| sweep(swept.clone(), shutdown));
    let counted = parts.clone();
    supervisor.spawn("read_side_counts", move |shutdown| count(counted.clone(), shutdown));
    let db = parts.db.clone();
    platform.health.register("dead letters", Readiness::NotRequired, move || watch_letters(db.clone()));
    for name in NAMES {
        watch_projection(platform, parts, name);
    }
}

/// Compares a few rows of each projection with a fold of their events, again and again.
pub(crate) fn sample_drift(platform: &Platform, parts: &RebuildParts, every_secs: u64) {
    if every_secs == 0 {
        return;
    }
    let parts = parts.clone();
    platform.supervisor.spawn("drift_sampler", move |shutdown| {
        let parts = RebuildParts { page_events: SAMPLE_EVENTS, ..parts.clone() };
        async move {
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return Ok(()),
                    () = tokio::time::sleep(Duration::from_secs(every_secs)) => {}
                }
                for model in parts.models.all() {
                    if model.sources().is_some() {
                        let audit = Audit::open(&parts, Arc::clone(model)).await?;
                        let drifts = audit.sample(rand::random_range(0.0..1.0)).await?;
                        drifts.iter().for_each(|drift| report(&parts, model.name(), drift));
                    }
                }
            }
        }
    });
}

async fn sweep(parts: RunnerParts, shutdown: CancellationToken) -> Result<(), BoxError> {
    loop {
        if sweep_once(&parts).await? {
            continue;
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
    }
}

/// Sweeps a bounded number of everything; whether more of it waits. Letters and entries are dated by the clock of the
/// business, which development moves; tickets and operations by the database's. Each is swept by its own.
pub(crate) async fn sweep_once(parts: &RunnerParts) -> Result<bool, sqlx::Error> {
    let now = parts.clock.now();
    tickets::sweep(&parts.db).await?;
    sweep_letters(&parts.db, now - LETTERS_KEPT, SWEEP_BATCH).await?;
    operations::sweep(&parts.db, OPERATIONS_KEPT, OPERATIONS_BATCH).await?;
    let forgotten = forget_older(&parts.db, now - parts.feed_resumable - ENTRIES_SPARE, SWEEP_BATCH).await?;
    Ok(forgotten == SWEEP_BATCH.unsigned_abs())
}

/// The process managers' letters are copied to NATS from here; a projection's owner copies its own.
async fn copy_letters(parts: RunnerParts, shutdown: CancellationToken) -> Result<(), BoxError> {
    let RunnerParts { db, feed, jetstream, names, .. } = &parts;
    loop {
        if let Some(jetstream) = jetstream {
            for queue in queues_of_others(db, NAMES).await? {
                publish_missing(db, feed.reader(), jetstream, names, &queue).await?;
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(COPY_EVERY) => {}
        }
    }
}

async fn count(parts: RunnerParts, shutdown: CancellationToken) -> Result<(), BoxError> {
    let RunnerParts { db, metrics, .. } = &parts;
    loop {
        count_lags(&parts).await?;
        let counts = active_by_status(db).await?;
        for status in STATUSES.map(status_name) {
            let orders = counts.iter().find(|(name, _)| name == status).map_or(0, |(_, orders)| *orders);
            metrics.active_orders.get_or_create(&Status { status }).set(orders);
        }
        let totals = ledger::totals(db).await?;
        for kind in WATCHED_ACCOUNTS {
            let minor = totals.iter().filter(|row| row.account == kind).map(ledger::AccountRow::balance_minor).sum();
            metrics.ledger_balance.get_or_create(&Account { account: kind.as_str() }).set(minor);
        }
        metrics.integrity_holds.set(on_hold(db).await?);
        for queue in NAMES.iter().copied() {
            let mut oldest = 0.0_f64;
            for LetterCount { status, letters, oldest_secs } in count_letters(db, queue, parts.clock.now()).await? {
                metrics.dead_letters.get_or_create(&DeadLetter { handler: queue, status }).set(letters);
                metrics.dlq_entries.get_or_create(&QueueEntry { queue, status }).set(letters);
                oldest = oldest.max(oldest_secs.unwrap_or(0.0));
            }
            metrics.dlq_oldest.get_or_create(&Queue { queue }).set(oldest);
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(COUNT_EVERY) => {}
        }
    }
}

/// Beside the projections, which say nothing while they are held up.
async fn count_lags(parts: &RunnerParts) -> Result<(), BoxError> {
    let RunnerParts { feed, positions, metrics, .. } = parts;
    for name in NAMES {
        let (position, label) = (positions.get(name), Projection { projection: name });
        let lag = feed.head().saturating_sub(position);
        metrics.projection_lag_events.get_or_create(&label).set(lag as i64);
        let next = if lag > 0 { feed.reader().page(position, 1).await? } else { Vec::new() };
        let age = next.first().map_or(0.0, |event| (Utc::now() - event.recorded_at).as_seconds_f64().max(0.0));
        metrics.projection_lag_seconds.get_or_create(&label).set(age);
    }
    Ok(())
}

/// What waits for a person makes nobody unwell but its own aggregates, and is not to be forgotten.
async fn watch_letters(db: PgPool) -> Verdict {
    match parked(&db).await {
        Ok(queues) if queues.is_empty() => Verdict::healthy(),
        Ok(queues) => {
            let queues: Vec<_> = queues.iter().map(|(queue, letters)| format!("{queue}: {letters}")).collect();
            Verdict::degraded(format!("parked, waiting for a person: {}", queues.join(", ")))
        }
        Err(error) => {
            tracing::warn!(%error, "parked letters cannot be counted");
            Verdict::degraded("not known: the database does not say")
        }
    }
}

/// A projection's part in the health report: how far it is behind, and whether it moves at all.
fn watch_projection(platform: &Platform, parts: &RunnerParts, name: &'static str) {
    let (positions, feed) = (parts.positions.clone(), parts.feed.clone());
    let moved = Arc::new(Mutex::new((0, Instant::now())));
    platform.health.register(format!("{name} view"), Readiness::NotRequired, move || {
        let (position, head) = (positions.get(name), feed.head());
        let mut moved = moved.lock();
        if moved.0 != position || position >= head {
            *moved = (position, Instant::now());
        }
        let still = moved.1.elapsed();
        std::future::ready(match head.saturating_sub(position) {
            0 => Verdict::healthy(),
            lag if still > FROZEN_AFTER => {
                Verdict::degraded(format!("stands still for {} s, {lag} events behind", still.as_secs()))
            }
            lag if lag > LAG_MAX => Verdict::degraded(format!("{lag} events behind")),
            _ => Verdict::healthy(),
        })
    });
}
