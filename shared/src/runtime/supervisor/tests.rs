use super::*;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::mpsc;

fn supervisor() -> (Supervisor, Health) {
    let health = Health::new();
    (Supervisor::new(health.clone()), health)
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_or_panics_is_started_again() {
    let (supervisor, health) = supervisor();
    let (started, mut starts) = mpsc::unbounded_channel();
    let runs = Arc::new(AtomicU32::new(0));
    supervisor.spawn("relay", move |shutdown| {
        let (run, started) = (runs.fetch_add(1, Ordering::Relaxed), started.clone());
        async move {
            started.send(run)?;
            match run {
                0 => Err("the connection was lost".into()),
                1 => panic!("a bug"),
                _ => {
                    shutdown.cancelled().await;
                    Ok(())
                }
            }
        }
    });
    for run in 0..=2 {
        assert_eq!(starts.recv().await, Some(run));
    }
    let check = health.report().await.checks.remove(0);
    assert_eq!((check.name.as_str(), check.status), ("task:relay", HealthStatus::Degraded));
    assert!(!check.message.contains("connection"), "{}", check.message);

    tokio::time::sleep(RECOVERED_AFTER + Duration::from_millis(1)).await;
    assert_eq!(health.report().await.status, HealthStatus::Healthy);
    assert_eq!(supervisor.shutdown(Duration::from_secs(1)).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_service_is_unhealthy_while_a_task_is_down_that_it_needs() {
    let (supervisor, health) = supervisor();
    let (failed, mut failures) = mpsc::unbounded_channel();
    supervisor.spawn_required("append_writer", move |_| {
        let failed = failed.clone();
        async move {
            failed.send(())?;
            Err("a bug".into())
        }
    });
    for _ in 0..2 {
        failures.recv().await;
    }
    assert_eq!(health.readiness().await.status, HealthStatus::Unhealthy);
    supervisor.shutdown(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_done_is_not_started_again() {
    let (supervisor, _) = supervisor();
    let runs = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&runs);
    supervisor.spawn("seed", move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        async { Ok(()) }
    });
    assert_eq!(supervisor.shutdown(Duration::from_secs(60)).await, Vec::<String>::new());
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_end_in_time_is_named() {
    let (supervisor, _) = supervisor();
    supervisor.spawn("polite", |shutdown| async move {
        shutdown.cancelled().await;
        Ok(())
    });
    supervisor.spawn("deaf", |_| std::future::pending());
    tokio::task::yield_now().await;
    assert_eq!(supervisor.shutdown(Duration::from_secs(3)).await, ["deaf"]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_wait_for_a_backoff() {
    let (supervisor, _) = supervisor();
    supervisor.spawn("broken", |_| async { Err("always".into()) });
    tokio::time::sleep(Duration::from_secs(60)).await;
    let started = Instant::now();
    assert_eq!(supervisor.shutdown(Duration::from_secs(10)).await, Vec::<String>::new());
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[test]
fn waits_double_up_to_five_seconds() {
    for (failures, longest_millis) in [(1, 100), (2, 200), (4, 800), (7, 5_000), (4_000_000_000, 5_000)] {
        let wait = backoff(failures);
        let longest = Duration::from_millis(longest_millis);
        assert!(wait <= longest && wait >= longest / 2, "{failures}: {wait:?}");
    }
}
