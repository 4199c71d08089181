//! The command from outside: what it prints, and what it ends with.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use dev_servers::TestServers;
use serde_json::Value;

fn homefood(arguments: &[&str]) -> Output {
    homefood_in(Path::new("."), arguments)
}

fn homefood_in(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_homefood"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("HOMEFOOD_") || name.ends_with("_URL") {
            command.env_remove(name);
        }
    }
    command.current_dir(dir).args(arguments).output().expect("the command runs")
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

#[test]
fn data_is_kept_in_the_checkout_one_is_in_and_not_where_the_program_was_built() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let elsewhere = elsewhere.path().canonicalize().expect("a path");
    let checkout = elsewhere.join("checkout");
    let inner = checkout.join("cli/src");
    for dir in [&inner, &checkout.join("dev-servers")] {
        fs::create_dir_all(dir).expect("a directory");
    }
    fs::write(checkout.join("Cargo.toml"), "[workspace]\nmembers = []\n").expect("a manifest");
    for manifest in ["dev-servers/Cargo.toml", "cli/Cargo.toml"] {
        fs::write(checkout.join(manifest), "[package]\n").expect("a manifest");
    }
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_str().expect("a path");
    for (dir, expected) in [(&elsewhere, &elsewhere), (&checkout, &checkout), (&inner, &checkout)] {
        for verb in ["dev", "doctor", "token", "audit", "projection"] {
            let output = homefood_in(dir, &[verb, "--help"]);
            let help = String::from_utf8_lossy(&output.stdout);
            assert!(help.contains(&format!("{}/.dev]", expected.display())), "{verb} in {}: {help}", dir.display());
            assert!(!help.contains(built), "{verb}: {help}");
        }
    }
}

#[test]
fn a_directory_is_no_file_to_export_to() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = dir.path().join("there");
    fs::create_dir(&output).expect("a directory");
    let path = output.to_str().expect("a path");
    // Before anything is asked for: nobody is there to ask.
    let database = "postgres://nobody@127.0.0.1:9/none";
    let refused = ends_with(2, &["export", "events", "--output", path, "--database-url", database]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("directory"));
    assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 1, "something was left behind");
}

/// Answers one request after another with these, as the service would.
fn service(answers: Vec<Value>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for answer in answers {
            let (socket, _) = listener.accept().expect("a caller");
            let mut reader = BufReader::new(&socket);
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a length");
                }
                line.clear();
            }
            reader.read_exact(&mut vec![0; length]).expect("a body");
            let body = serde_json::json!({ "success": true, "data": answer }).to_string();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            write!(&socket, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).expect("an answer");
        }
    });
    url
}

#[test]
fn a_rebuild_that_waits_for_a_person_is_partly_failed_and_says_what_to_do() {
    let at = |state: &str, updated_at: &str, stage: &str| {
        serde_json::json!({
            "id": "01900000-0000-7000-8000-000000000001", "kind": "rebuild", "subject": "feed", "state": state,
            "updated_at": updated_at, "progress": { "stage": stage, "done": 7, "total": 7 }, "errors": [],
            "errors_total": 0,
            "result": { "tables": [{ "table": "feed", "changed": 2, "only_live": 1, "only_new": 0 }], "drifts": [] },
        })
    };
    let waits = "waits for swap or cancel";
    let url = service(vec![at("planned", "1", ""), at("running", "2", "replay"), at("paused", "3", waits)]);
    let act = |verb: &'static str, url: &str| {
        let arguments = ["projection", verb, "feed", "--reason", "x", "--url", url, "--token", "t", "--json"];
        homefood(&arguments)
    };
    let output = act("rebuild", &url);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("3 rows differ") && said.contains("homefood projection swap feed"), "{said}");
    assert!(said.contains("homefood projection cancel feed"), "{said}");
    assert_eq!(data(&output)["state"], "paused");
    // Told to swap, it stands where it stood until it is taken up.
    let steps = [at("paused", "4", waits), at("paused", "4", waits), at("succeeded", "5", "swapped")];
    let output = act("swap", &service(steps.to_vec()));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
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
