//! What is written nowhere, and what is written in two places that must agree.

use shared::runtime::postgres::MIGRATIONS;

use super::tree::{check, files, rust_files};

/// Lines before a wait in a test within which its condition has to stand.
const LOOP_WITHIN: usize = 12;

/// Imitations that take their time as the real ones would.
const TAKES_ITS_TIME: &[&str] = &["command-service/src/providers/tests/scripted.rs"];

#[test]
fn only_tests_unwrap() {
    let mut found = Vec::new();
    for file in rust_files() {
        for (number, line) in file.code() {
            if line.contains(".unwrap()") {
                found.push(format!("{}:{number}", file.path));
            }
        }
    }
    check("use ? or expect(\"why this cannot happen\")", found);
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let words = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    let ignored = format!("#[{}", "ignore");
    // Run by hand, since it asks how fast and not whether.
    let measured = format!("{ignored} = \"a measurement\"]");
    let mut found = Vec::new();
    for file in rust_files() {
        for (at, line) in file.text.lines().enumerate() {
            let line = line.trim();
            let passed_over = line.starts_with(&ignored) && line != measured;
            if words.iter().any(|word| line.contains(word)) || passed_over {
                found.push(format!("{}:{}", file.path, at + 1));
            }
        }
    }
    check("finish it, or delete it", found);
}

#[test]
fn tests_wait_for_conditions() {
    let call = format!("{}(", "sleep");
    let mut found = Vec::new();
    for file in rust_files() {
        let code = file.test_code();
        // Where the test moves time itself, nobody waits.
        if file.text.contains("start_paused") || TAKES_ITS_TIME.contains(&file.path.as_str()) {
            continue;
        }
        for (at, (number, line)) in code.iter().enumerate() {
            let before = &code[at.saturating_sub(LOOP_WITHIN)..at];
            let looping =
                |line: &str| ["while ", "loop {", "for "].iter().any(|word| line.trim_start().starts_with(word));
            if line.contains(&call) && !before.iter().any(|(_, line)| looping(line)) {
                found.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    check("wait in a loop until a condition holds, with a deadline", found);
}

#[test]
fn no_file_knows_somebodys_machine() {
    let homes = ["home", "root", "work", "Users"].map(|name| format!("/{name}/"));
    let mut found = Vec::new();
    for file in files() {
        for (at, line) in file.text.lines().enumerate() {
            // A path begins where a word does not go on: not in `crate/home/mod.rs` or in a URL.
            let known = |home: &String| {
                line.match_indices(home.as_str()).any(|(start, _)| {
                    let before = line[..start].chars().next_back();
                    before.is_none_or(|c| !(c.is_alphanumeric() || "._-}/~*".contains(c)))
                })
            };
            if homes.iter().any(known) {
                found.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
            }
        }
    }
    check("name paths from the root of the project", found);
}

#[test]
fn every_migration_is_built_in() {
    let mut found = Vec::new();
    let mut count = 0;
    for file in files().iter().filter(|file| file.path.starts_with("migrations/") && file.path.ends_with(".sql")) {
        count += 1;
        let name = file.path.trim_start_matches("migrations/").trim_end_matches(".sql");
        let (version, words) = name.split_once('_').unwrap_or((name, ""));
        let same = |&&(number, description, sql): &&(i64, &str, &str)| {
            version.parse() == Ok(number) && words.replace('_', " ") == description && sql == file.text
        };
        if version.len() != 4 || MIGRATIONS.iter().find(same).is_none() {
            found.push(file.path.clone());
        }
    }
    check("add it to MIGRATIONS, with the number and the words of its name", found);
    assert_eq!(count, MIGRATIONS.len(), "MIGRATIONS has one line for each file");
}
