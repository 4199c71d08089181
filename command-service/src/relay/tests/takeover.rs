//! More relays than one.

use super::*;

#[tokio::test]
async fn a_standby_takes_over_when_the_leaders_session_ends() {
    let (log, nats) = (Log::new().await, own_nats().await);
    let clients = [connect(&nats).await, connect(&nats).await];
    let mut relays = clients.each_ref().map(|client| Running::start(log.relay(client, options())));
    log.append(100).await;
    log.is_mirrored(&clients[0]).await;

    for round in 1..=3 {
        let leader = leader_of(&relays).await;
        let ended = sqlx::query(
            "
            SELECT pg_terminate_backend(pid) FROM pg_locks
            WHERE locktype = 'advisory' AND granted
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            ",
        );
        assert_eq!(ended.execute(&log.db).await.unwrap().rows_affected(), 1);
        relays[leader].until("not leading", |status| !status.leader).await;
        log.append(100).await;
        let now = leader_of(&relays).await;
        relays[now].reaches(100 + round * 100).await;
    }
    log.is_mirrored(&clients[0]).await;
    for relay in relays {
        relay.stop().await;
    }
}

#[tokio::test]
async fn a_leader_that_stops_hands_over_at_once() {
    let (log, nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    let mut first = Running::start(log.relay(&client, options()));
    first.until("leading", |status| status.leader).await;
    let mut second = Running::start(log.relay(&client, options()));
    first.stop().await;
    log.append(10).await;
    second.reaches(10).await;
    log.is_mirrored(&client).await;
    second.stop().await;
}

/// Neither knows of the other: the lock is not asked.
#[tokio::test]
async fn relays_that_race_neither_double_nor_reorder() {
    let (log, nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    make_forgetful(&client).await;
    let mut racing = Vec::new();
    for window_events in [256, 7, 64] {
        let relay = log.relay(&connect(&nats).await, RelayOptions { window_events, ..options() });
        let (feed, status) = (relay.feed.clone(), relay.status());
        racing.push((feed, status, tokio::spawn(async move { relay.mirror().await })));
    }
    for _ in 0..40 {
        log.append(250).await;
        let head = log.head().await;
        for (feed, ..) in &racing {
            feed.note_head(head);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    log.is_mirrored(&client).await;
    for (_, status, relay) in racing {
        relay.abort();
        assert_eq!(status.borrow().reseeds, 0);
    }
}

async fn leader_of(relays: &[Running; 2]) -> usize {
    let mut leader = None;
    eventually("one leads", async || {
        leader = match [relays[0].status().leader, relays[1].status().leader] {
            [true, false] => Some(0),
            [false, true] => Some(1),
            _ => None,
        };
        leader.is_some()
    })
    .await;
    leader.unwrap()
}
