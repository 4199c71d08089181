//! An operation outlives its worker, and does what its operator wants.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::json;
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::testing::{database, eventually};

/// A worker that lives keeps it, however busy the machine is.
const LEASE: Duration = Duration::from_secs(60);

/// Counts to its total; each step is one row of `operator_acts`, so that steps survive with the database.
struct Count(u64);

#[async_trait]
impl Job for Count {
    async fn step(&mut self, run: &Run) -> Result<Step, JobError> {
        let mut tx = run.db.begin().await?;
        run.fence(&mut tx).await?;
        let mut done: i64 =
            sqlx::query_scalar("SELECT count(*) FROM operator_acts WHERE operation_id = $1 AND act = 'step'")
                .bind(run.id)
                .fetch_one(&mut *tx)
                .await?;
        // Who was killed between the last step and its end has counted to the total already.
        if (done as u64) < self.0 {
            act(&mut tx, "test", "step", (&run.subject, Some(run.id)), "counted").await?;
            done += 1;
        }
        tx.commit().await?;
        let progress = Progress { stage: "counting".to_owned(), done: done as u64, total: Some(self.0) };
        if done as u64 == self.0 {
            return Ok(Step::Done(progress, json!({"counted": done})));
        }
        Ok(Step::Rest(progress, Duration::from_millis(5)))
    }

    async fn clear(&mut self, run: &Run) -> Result<(), JobError> {
        run.note("cleared").await
    }
}

fn worker(db: &PgPool) -> JoinHandle<()> {
    let make: MakeJob = Arc::new(|_, run| match run.input["count"].as_u64() {
        Some(count) => Ok(Box::new(Count(count))),
        None => Err(JobError::Failed("the input names no count".to_owned())),
    });
    let worker = Worker::new(db.clone(), LEASE, make);
    // A worker that fails is started again, as its supervisor does.
    tokio::spawn(async move { while worker.run(CancellationToken::new()).await.is_err() {} })
}

fn counting(count: u64) -> NewOperation {
    NewOperation {
        kind: OperationKind::Verify,
        subject: "numbers".to_owned(),
        input: json!({"count": count}),
        actor: "admin:test".to_owned(),
        reason: "to see".to_owned(),
    }
}

async fn becomes(db: &PgPool, id: Uuid, state: OperationState) -> Operation {
    eventually("the operation came to that state", || async { find(db, id).await.unwrap().unwrap().state == state })
        .await;
    find(db, id).await.unwrap().unwrap()
}

/// As if the lease of a dead worker had ended: whoever claims the operation next is another. What the dead one had sent
/// to the database may still arrive.
async fn lapse(db: &PgPool) {
    let dead = "UPDATE operations SET epoch = epoch + 1, lease_until = '-infinity'";
    sqlx::query(dead).execute(db).await.unwrap();
}

#[tokio::test]
async fn a_killed_worker_is_replaced_and_the_work_goes_on_where_it_was() {
    let db = database().await;
    let operation = create(&db, &counting(60)).await.unwrap();
    for killed_at in [10, 30] {
        let killed = worker(&db);
        eventually("it is under way", || async {
            find(&db, operation.id).await.unwrap().unwrap().progress.done >= killed_at
        })
        .await;
        killed.abort();
        let _ = killed.await;
        lapse(&db).await;
    }
    let last = worker(&db);
    let ended = becomes(&db, operation.id, OperationState::Succeeded).await;
    assert_eq!(ended.result, Some(json!({"counted": 60})));
    assert_eq!((ended.progress.done, ended.progress.total), (60, Some(60)));
    assert!(ended.finished_at.is_some() && ended.errors.is_empty());
    last.abort();
}

#[tokio::test]
async fn many_workers_share_no_operation() {
    let db = database().await;
    let operation = create(&db, &counting(50)).await.unwrap();
    let workers: Vec<_> = (0..4).map(|_| worker(&db)).collect();
    let ended = becomes(&db, operation.id, OperationState::Succeeded).await;
    assert_eq!(ended.result, Some(json!({"counted": 50})));
    let epoch: i64 = sqlx::query_scalar("SELECT epoch FROM operations").fetch_one(&db).await.unwrap();
    assert_eq!(epoch, 1);
    workers.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn it_pauses_resumes_and_is_called_off_with_a_reason_each() {
    let db = database().await;
    let working = worker(&db);
    let operation = create(&db, &counting(1_000_000)).await.unwrap();
    assert!(matches!(create(&db, &counting(1)).await, Err(CreateError::Open)));
    becomes(&db, operation.id, OperationState::Running).await;
    ask(&db, operation.id, Wanted::Pause, "admin:test", "lunch").await.unwrap().unwrap();
    let paused = becomes(&db, operation.id, OperationState::Paused).await;
    ask(&db, operation.id, Wanted::Run, "admin:test", "back").await.unwrap().unwrap();
    eventually("it goes on", || async {
        find(&db, operation.id).await.unwrap().unwrap().progress.done > paused.progress.done
    })
    .await;
    ask(&db, operation.id, Wanted::Cancel, "admin:test", "enough").await.unwrap().unwrap();
    let ended = becomes(&db, operation.id, OperationState::Cancelled).await;
    assert_eq!(ended.errors, ["cleared"]);
    assert_eq!(ask(&db, operation.id, Wanted::Run, "admin:test", "again").await.unwrap(), None);
    let acts: Vec<(String, String)> =
        sqlx::query_as("SELECT act, reason FROM operator_acts WHERE act <> 'step' ORDER BY id")
            .fetch_all(&db)
            .await
            .unwrap();
    let acts: Vec<_> = acts.iter().map(|(act, reason)| (act.as_str(), reason.as_str())).collect();
    assert_eq!(acts, [("verify", "to see"), ("pause", "lunch"), ("resume", "back"), ("cancel", "enough")]);
    working.abort();
}

#[tokio::test]
async fn one_that_cannot_be_done_fails_and_says_why() {
    let db = database().await;
    let working = worker(&db);
    let new = NewOperation { input: json!({}), ..counting(1) };
    let operation = create(&db, &new).await.unwrap();
    let ended = becomes(&db, operation.id, OperationState::Failed).await;
    assert_eq!(ended.errors, ["the input names no count"]);
    working.abort();
}
