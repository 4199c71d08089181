use super::*;
use std::sync::atomic::{AtomicU32, Ordering};

#[tokio::test]
async fn the_whole_is_as_well_as_its_worst_part() {
    let health = Health::new();
    assert_eq!(health.report().await.status, HealthStatus::Healthy);
    health.register("database", Readiness::Required, || async { Verdict::healthy() });
    let relay = health.cell("relay", Readiness::NotRequired);
    assert_eq!(health.report().await.status, HealthStatus::Healthy);

    let health = Health::new();
    health.register("database", Readiness::Required, || async { Verdict::healthy() });
    health.register("provider", Readiness::NotRequired, || async { Verdict::degraded("breaker open") });
    assert_eq!(health.report().await.status, HealthStatus::Degraded);
    health.register("nats", Readiness::Required, || async { Verdict::unhealthy("gone") });
    let report = health.report().await;
    assert_eq!(report.status, HealthStatus::Unhealthy);
    let json = serde_json::to_value(&report).expect("serialises");
    assert_eq!(json["checks"][1]["name"], "provider");
    assert_eq!(json["checks"][1]["status"], "degraded");
    assert_eq!(json["checks"][1]["message"], "breaker open");
    assert!(json["checks"][1]["response_time_ms"].is_u64());
    relay.healthy();
}

#[tokio::test]
async fn only_required_parts_decide_readiness() {
    let health = Health::new();
    health.register("database", Readiness::Required, || async { Verdict::healthy() });
    health.cell("relay", Readiness::NotRequired).set(HealthStatus::Unhealthy, "lost its fence");
    assert_eq!(health.readiness().await.status, HealthStatus::Healthy);
    assert_eq!(health.report().await.status, HealthStatus::Unhealthy);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_is_unhealthy_after_two_seconds() {
    let health = Health::new();
    health.register("slow", Readiness::Required, std::future::pending);
    health.register("also slow", Readiness::Required, std::future::pending);
    let started = Instant::now();
    let report = health.report().await;
    assert_eq!(report.status, HealthStatus::Unhealthy);
    assert_eq!(report.checks[0].response_time_ms, 2_000);
    assert_eq!(started.elapsed(), PROBE_TIMEOUT, "probes run side by side");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_believed_for_half_a_second() {
    let asked = Arc::new(AtomicU32::new(0));
    let health = Health::new();
    let counter = Arc::clone(&asked);
    health.register("database", Readiness::Required, move || {
        counter.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Verdict::healthy())
    });
    health.report().await;
    health.readiness().await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    tokio::time::advance(BELIEVED_FOR).await;
    health.report().await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_part_can_be_forgotten() {
    let health = Health::new();
    health.cell("projection:old", Readiness::NotRequired).set(HealthStatus::Unhealthy, "gone");
    health.forget("projection:old");
    assert_eq!(health.report().await.checks, []);
}
