//! compose.yaml names only what there is, runs on the settings that development runs on, and watches what is measured.

use std::fs;

use serde_json::Value;
use shared::runtime::Metrics;

use super::tree::{check, root};

fn compose() -> String {
    fs::read_to_string(root().join("compose.yaml")).expect("compose.yaml")
}

#[test]
fn compose_mounts_files_that_exist() {
    let text = compose();
    let mounted = text.lines().filter_map(|line| line.trim().strip_prefix("- ./")?.split(':').next());
    let missing: Vec<String> = mounted.filter(|path| !root().join(path).exists()).map(str::to_owned).collect();
    check("mount what is in the tree", missing);
}

/// Whether a metric is scraped under this name.
fn is_scraped(name: &str) -> bool {
    let bare = ["_total", "_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end));
    Metrics::NAMES.contains(&name) || bare.is_some_and(|bare| Metrics::NAMES.contains(&bare))
}

/// What stands before each selector, `name{…}`; every metric is asked for by one.
fn asked(expression: &str) -> Vec<&str> {
    let before = expression.split('{').rev().skip(1);
    before.filter_map(|text| text.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()).collect()
}

#[test]
fn dashboards_and_alarms_ask_for_metrics_that_exist() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("a file of deploy");
    let alarms = read("deploy/alerts.yml");
    let mut expressions: Vec<String> =
        alarms.lines().filter_map(|line| Some(line.trim().strip_prefix("expr: ")?.to_owned())).collect();
    let dashboard: Value = serde_json::from_str(&read("deploy/dashboards/homefood.json")).expect("a dashboard");
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("targets") {
            expressions.push(target["expr"].as_str().expect("an expression").to_owned());
        }
    }
    assert!(expressions.len() > 40, "{expressions:#?}");
    let unknown =
        |expression: &String| asked(expression).is_empty() || asked(expression).iter().any(|name| !is_scraped(name));
    check("see shared/src/runtime/metrics", expressions.into_iter().filter(unknown).collect());
}

#[test]
fn compose_sets_variables_that_exist() {
    let example = fs::read_to_string(root().join(".env.example")).expect(".env.example");
    let text = compose();
    let set = text.lines().filter_map(|line| line.trim().split_once(": ")).map(|(name, _)| name);
    let strange = set.filter(|name| name.starts_with("HOMEFOOD_") && !example.contains(&format!("{name}=")));
    check("see .env.example", strange.map(str::to_owned).collect());
}

#[test]
fn the_postgres_of_compose_has_the_settings_of_development() {
    let text = compose();
    assert!(text.contains("- ./dev-servers/postgres.conf:/etc/postgresql/postgresql.conf:ro"));
    assert!(text.contains("config_file=/etc/postgresql/postgresql.conf"));
    assert!(text.contains("--data-checksums"));
}

#[test]
fn every_service_of_compose_has_its_own_role() {
    let text = compose();
    for service in ["command", "projection"] {
        assert!(text.contains(&format!("postgres://homefood_{service}:")), "{service} in Postgres");
        assert!(text.contains(&format!("nats://{service}:")), "{service} in NATS");
    }
}

#[test]
fn the_image_is_built_with_the_compiler_of_the_workspace() {
    let toolchain = fs::read_to_string(root().join("rust-toolchain.toml")).expect("rust-toolchain.toml");
    let channel = toolchain.split('"').nth(1).expect("a channel");
    let minor = channel.rsplit_once('.').map_or(channel, |(minor, _)| minor);
    let dockerfile = fs::read_to_string(root().join("Dockerfile")).expect("Dockerfile");
    assert!(dockerfile.contains(&format!("FROM rust:{minor}-")), "rust-toolchain.toml says {channel}");
}
