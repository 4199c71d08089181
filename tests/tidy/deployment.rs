//! compose.yaml names only what there is, and runs on the settings that development runs on.

use std::fs;

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
