//! The command from outside: what it prints, and what it ends with.

use std::process::{Command, Output};

use dev_servers::TestServers;
use serde_json::Value;

fn homefood(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_homefood"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("HOMEFOOD_") || name.ends_with("_URL") {
            command.env_remove(name);
        }
    }
    command.args(arguments).output().expect("the command runs")
}

#[track_caller]
fn data(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[track_caller]
fn ends_with(code: i32, arguments: &[&str]) -> Output {
    let output = homefood(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn completions_know_every_verb() {
    for shell in ["bash", "zsh", "fish"] {
        let output = ends_with(0, &["completions", shell]);
        let text = String::from_utf8_lossy(&output.stdout);
        for verb in ["dev", "doctor", "seed", "bench", "stream", "trace", "projection", "dlq", "audit", "export"] {
            assert!(text.contains(verb), "{shell} does not know {verb}");
        }
    }
    ends_with(2, &["completions", "teletype"]);
}

#[test]
fn what_makes_no_sense_is_usage() {
    ends_with(2, &["dance"]);
    ends_with(2, &["dlq", "redrive", "--url", "http://127.0.0.1:9", "--token", "t", "--reason", "r"]);
    ends_with(2, &["token", "--sub", "00000000-0000-0000-0000-000000000001", "--role", "king"]);
}

#[test]
fn nobody_there_is_unavailable() {
    let nobody = "http://127.0.0.1:9";
    let output = ends_with(5, &["health", "--url", nobody]);
    assert!(output.stdout.is_empty(), "talk is for stderr");
    ends_with(5, &["projection", "list", "--url", nobody, "--token", "t"]);
    let database = "postgres://nobody@127.0.0.1:9/none";
    ends_with(5, &["migrate", "--database-url", database]);
    ends_with(5, &["seed", "--database-url", database]);
    ends_with(5, &["export", "events", "--database-url", database]);
}

#[test]
fn a_key_that_is_not_there_is_not_found() {
    let empty = tempfile::tempdir().expect("a directory");
    let dir = empty.path().to_str().expect("a path");
    let arguments = ["token", "--sub", "00000000-0000-0000-0000-000000000001", "--role", "admin", "--data-dir", dir];
    ends_with(3, &arguments);
}

#[tokio::test]
async fn an_empty_database_is_migrated_seeded_and_found_well() {
    let servers = TestServers::shared().await;
    let name = servers.create_database(None).await.expect("a database");
    let url = servers.postgres_url(&name);
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().to_str().expect("a path").to_owned();
    tokio::task::spawn_blocking(move || {
        let doctor = ["doctor", "--json", "--port", "0", "--data-dir", &dir, "--database-url", &url];
        let ill = data(&ends_with(6, &doctor));
        let found = |report: &Value, what: &str| {
            let findings = report.as_array().expect("a list").iter();
            findings.clone().find(|finding| finding["what"] == what).expect(what)["ok"].clone()
        };
        assert_eq!((found(&ill, "database"), found(&ill, "port")), (false.into(), true.into()), "{ill}");
        let migrated = data(&ends_with(0, &["migrate", "--json", "--database-url", &url]));
        assert!(migrated["newest"]["version"].is_u64(), "{migrated}");
        for _ in 0..2 {
            let seeded = data(&ends_with(0, &["seed", "--json", "--database-url", &url]));
            assert_eq!(seeded["dishes"].as_array().map(Vec::len), Some(6), "{seeded}");
        }
        let well = data(&ends_with(0, &doctor));
        assert_eq!(found(&well, "database"), true, "{well}");
    })
    .await
    .expect("the verbs ran");
}
