//! What servers do to a stream: lose it, lose its end, come back with an old one.

use std::fs;

use super::{super::ReseedReason, *};

#[tokio::test]
async fn a_wiped_mirror_is_filled_again() {
    let (log, mut nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    log.append(1_000).await;
    let mut relay = Running::start(log.relay(&client, options()));
    relay.reaches(1_000).await;
    let reseeds = relay.status().reseeds;

    nats.kill().await.unwrap();
    fs::remove_dir_all(nats.store_dir()).unwrap();
    nats.restart().await.unwrap();
    let status = relay.until("a reseed", |status| status.reseeds > reseeds).await;
    assert_eq!(status.last_reseed, Some(ReseedReason::Missing));
    log.is_mirrored(&client).await;
    relay.stop().await;
}

#[tokio::test]
async fn a_mirror_restored_from_an_old_copy_goes_on_from_there() {
    let (log, mut nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    log.append(1_000).await;
    let mut relay = Running::start(log.relay(&client, options()));
    relay.reaches(1_000).await;

    nats.stop().await.unwrap();
    let copy = nats.store_dir().with_extension("copy");
    copy_dir(&nats.store_dir(), &copy);
    nats.restart().await.unwrap();
    log.append(1_000).await;
    relay.reaches(2_000).await;
    let reseeds = relay.status().reseeds;

    nats.stop().await.unwrap();
    fs::remove_dir_all(nats.store_dir()).unwrap();
    fs::rename(&copy, nats.store_dir()).unwrap();
    nats.restart().await.unwrap();
    log.is_mirrored(&client).await;
    assert_eq!(relay.reaches(2_000).await.reseeds, reseeds);
    relay.stop().await;
}

#[tokio::test]
async fn a_mirror_that_lost_its_end_gets_it_back() {
    let (log, mut nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    log.append(2_000).await;
    let mut relay = Running::start(log.relay(&client, options()));
    relay.reaches(2_000).await;
    let reseeds = relay.status().reseeds;

    nats.kill().await.unwrap();
    let blocks = nats.store_dir().join("jetstream/$G/streams/EVENTS/msgs");
    for block in fs::read_dir(&blocks).unwrap().map(|entry| entry.unwrap().path()) {
        match block.extension() {
            Some(blk) if blk == "blk" => {
                let file = fs::OpenOptions::new().write(true).open(&block).unwrap();
                file.set_len(file.metadata().unwrap().len() / 2).unwrap();
            }
            _ => fs::remove_file(block).unwrap(),
        }
    }
    nats.restart().await.unwrap();
    log.is_mirrored(&client).await;
    assert_eq!(relay.reaches(2_000).await.reseeds, reseeds);
    relay.stop().await;
}

#[tokio::test]
async fn a_server_killed_under_load_loses_and_doubles_nothing() {
    let (log, mut nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    make_forgetful(&client).await;
    log.append(20_000).await;
    let mut relay = Running::start(log.relay(&client, options()));
    for position in [2_000, 9_000] {
        relay.until("the middle of the load", |status| status.position > position).await;
        nats.kill().await.unwrap();
        relay.until("trouble", |status| status.trouble.is_some()).await;
        nats.restart().await.unwrap();
    }
    relay.reaches(20_000).await;
    log.is_mirrored(&client).await;
    assert_eq!(relay.status().reseeds, 0);
    relay.stop().await;
}

#[tokio::test]
async fn a_client_that_reconnects_sends_nothing_twice() {
    let (log, nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    make_forgetful(&client).await;
    log.append(20_000).await;
    let mut relay = Running::start(log.relay(&client, options()));
    for position in [1_000, 4_000, 8_000, 12_000] {
        relay.until("some way", |status| status.position > position).await;
        client.force_reconnect().await.unwrap();
    }
    relay.reaches(20_000).await;
    log.is_mirrored(&client).await;
    assert_eq!(relay.status().reseeds, 0);
    relay.stop().await;
}

#[tokio::test]
async fn the_log_goes_on_without_nats_and_the_mirror_catches_up() {
    let (log, mut nats) = (Log::new().await, own_nats().await);
    nats.kill().await.unwrap();
    let client = connect(&nats).await;
    let mut relay = Running::start(log.relay(&client, options()));
    log.append(500).await;
    let cut_off = Some("not connected to NATS");
    let status = relay.until("no NATS", |status| status.trouble.as_deref() == cut_off && status.head == 500).await;
    assert_eq!((status.in_step, status.lag()), (false, 500));

    nats.restart().await.unwrap();
    relay.reaches(500).await;
    log.is_mirrored(&client).await;

    nats.stop().await.unwrap();
    relay.until("trouble", |status| status.trouble.is_some()).await;
    log.append(500).await;
    nats.restart().await.unwrap();
    relay.reaches(1_000).await;
    log.is_mirrored(&client).await;
    relay.stop().await;
}

#[tokio::test]
async fn a_log_restored_from_an_older_backup_gets_a_mirror_of_its_own() {
    let (lost, nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    lost.append(300).await;
    let mut relay = Running::start(lost.relay(&client, options()));
    relay.reaches(300).await;
    relay.stop().await;

    for (length, reason) in [(200, ReseedReason::Ahead), (400, ReseedReason::Foreign)] {
        let restored = Log::new().await;
        restored.append(length).await;
        let mut relay = Running::start(restored.relay(&client, options()));
        let status = relay.reaches(length as Position).await;
        assert_eq!((status.reseeds, status.last_reseed), (1, Some(reason)));
        restored.is_mirrored(&client).await;
        relay.stop().await;
    }
}

#[tokio::test]
async fn a_log_restored_under_a_running_process_asks_for_a_restart() {
    let (log, nats) = (Log::new().await, own_nats().await);
    let client = connect(&nats).await;
    log.append(30).await;
    let mut relay = Running::start(log.relay(&client, options()));
    relay.reaches(30).await;
    sqlx::query("UPDATE log_head SET position = 20").execute(&log.db).await.unwrap();
    let shorter = "the log ends at 20, but this process has seen 30";
    relay.until(shorter, |status| status.trouble.as_ref().is_some_and(|trouble| trouble.contains(shorter))).await;
    relay.stop().await;
}
