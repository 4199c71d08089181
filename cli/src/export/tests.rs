use std::{env, fs, path::PathBuf};

use ::parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::RowAccessor,
};
use dev_servers::TestServers;
use serde_json::Value;
use shared::runtime::{Secret, postgres::migrate};
use sqlx::PgPool;

use super::*;

const EVENTS: i64 = 45_000;

/// A log of orders that grew ready, one event a second.
async fn log() -> (PgPool, Secret) {
    let servers = TestServers::shared().await;
    let name = servers.create_database(None).await.unwrap();
    let url = Secret::new(servers.postgres_url(&name));
    let db = connect_pool(&url, PoolOptions::new("test", 2)).await.unwrap();
    migrate(&db).await.unwrap();
    let insert = concat!(
        "INSERT INTO ",
        "events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload,
        metadata, position, event_id, correlation_id, causation_id, actor, occurred_at, recorded_at, slice)
        SELECT 'order', md5(n::text)::uuid, 1, 'order_ready', '1',
               format('{\"type\":\"order_ready\",\"note\":\"%s ünïcode %s\"}', n, repeat('x', (n % 300)::int))::json,
               '{\"command_id\":\"00000000-0000-0000-0000-000000000001\"}', n, md5('e' || n)::uuid, md5('c' || n)::uuid,
               md5('d' || n)::uuid, 'system:test', '2026-01-01Z'::timestamptz + n * interval '1.000001 s',
               '2026-01-01Z'::timestamptz + n * interval '1 s', 0
        FROM generate_series(1, $1::bigint) AS n"
    );
    sqlx::query(insert).bind(EVENTS).execute(&db).await.unwrap();
    sqlx::query(concat!("UPDATE ", "log_head SET position = $1")).bind(EVENTS).execute(&db).await.unwrap();
    (db, url)
}

/// Where the files go: kept for other readers if somebody says where.
fn folder() -> (PathBuf, Option<tempfile::TempDir>) {
    match env::var_os("HOMEFOOD_EXPORTS_KEPT_IN") {
        Some(path) => (PathBuf::from(path), None),
        None => {
            let folder = tempfile::tempdir().unwrap();
            (folder.path().to_owned(), Some(folder))
        }
    }
}

fn args(url: &Secret, format: Format, output: &Path) -> EventsArgs {
    EventsArgs { format, from: None, to: None, output: Some(output.to_owned()), database: DatabaseArgs::of(url) }
}

async fn export(args: EventsArgs) -> Result<()> {
    run(ExportArgs { what: What::Events(args) }).await
}

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn both_formats_say_the_same_of_every_event() {
    let (_db, url) = log().await;
    let (folder, _kept) = folder();
    let (ndjson, parquet) = (folder.join("events.ndjson"), folder.join("events.parquet"));
    export(args(&url, Format::Ndjson, &ndjson)).await.unwrap();
    export(args(&url, Format::Parquet, &parquet)).await.unwrap();
    let lines = lines(&ndjson);
    assert_eq!(lines.len() as i64, EVENTS);
    let reader = SerializedFileReader::new(File::open(&parquet).unwrap()).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 3, "20,000 events a group");
    let rows = reader.get_row_iter(None).unwrap();
    let mut count = 0;
    for (row, line) in rows.zip(&lines) {
        let row = row.unwrap();
        count += 1;
        assert_eq!((row.get_long(0).unwrap(), line["position"].as_i64().unwrap()), (count, count));
        for (column, name) in [(1, "event_id"), (3, "aggregate_id"), (5, "event_type"), (11, "actor")] {
            assert_eq!(row.get_string(column).unwrap(), line[name].as_str().unwrap());
        }
        let occurred_at: chrono::DateTime<chrono::Utc> = line["occurred_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(row.get_timestamp_micros(7).unwrap(), occurred_at.timestamp_micros());
        let payload: Value = serde_json::from_slice(row.get_string(13).unwrap().as_bytes()).unwrap();
        assert_eq!(payload, line["payload"]);
    }
    assert_eq!(count, EVENTS);
}

#[tokio::test]
async fn a_range_is_of_positions_or_of_instants() {
    let (_db, url) = log().await;
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("part.ndjson");
    for (from, to, expected) in [
        (Some("44990"), None, Some((44_990, 45_000))),
        (Some("7"), Some("7"), Some((7, 7))),
        (None, Some("3"), Some((1, 3))),
        (Some("50000"), None, None),
        (Some("2026-01-01T00:00:10Z"), Some("2026-01-01T00:00:20Z"), Some((10, 19))),
        (Some("2020-01-01T00:00:00Z"), Some("2026-01-01T00:00:02.5Z"), Some((1, 2))),
        (Some("2030-01-01T00:00:00Z"), None, None),
    ] {
        let bound = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        let args = EventsArgs { from: bound(from), to: bound(to), ..args(&url, Format::Ndjson, &output) };
        export(args).await.unwrap();
        let positions: Vec<i64> = lines(&output).iter().map(|line| line["position"].as_i64().unwrap()).collect();
        let expected: Vec<i64> = expected.map_or(Vec::new(), |(first, last)| (first..=last).collect());
        assert_eq!(positions, expected, "{from:?} to {to:?}");
    }
    assert!("yesterday".parse::<Bound>().is_err());
}

#[tokio::test]
async fn an_end_says_what_kind_it_is_and_leaves_no_half_file() {
    let (db, url) = log().await;
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("events.ndjson");
    let code = |ended: Result<()>| ended.unwrap_err().downcast_ref::<Exit>().map(|exit| exit.code);
    let backwards =
        EventsArgs { from: Some(Bound::At(9)), to: Some(Bound::At(3)), ..args(&url, Format::Ndjson, &output) };
    assert_eq!(code(export(backwards).await), Some(USAGE));
    let nobody = Secret::new("postgres://nobody@127.0.0.1:1/nowhere");
    assert_eq!(code(export(args(&nobody, Format::Ndjson, &output)).await), Some(UNAVAILABLE));
    let promise = concat!("UPDATE ", "log_head SET position = position + ");
    sqlx::raw_sql(&format!("{promise} 1")).execute(&db).await.unwrap();
    let cut = export(args(&url, Format::Ndjson, &output)).await.unwrap_err();
    assert_eq!(cut.to_string(), "the event log ends at position 45000, and its head is 45001");
    sqlx::raw_sql(&format!("{promise} -1")).execute(&db).await.unwrap();
    let change = concat!(
        "ALTER TABLE events DISABLE TRIGGER ALL; UPDATE ",
        "events SET aggregate_type = 'alien' WHERE position = 30000"
    );
    sqlx::raw_sql(change).execute(&db).await.unwrap();
    assert!(code(export(args(&url, Format::Parquet, &output)).await).is_none());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
