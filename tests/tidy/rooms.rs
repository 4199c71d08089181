//! What may be said in which room.

use std::{collections::BTreeSet, fs, path::Path};

use super::tree::{File, check, files, root, rust_files};

/// Rust files hold at most this many lines.
const LINES_MAX: usize = 400;

/// Process managers that only decide; the others in their folder run them.
const PROCESS_MANAGERS_WITH_IO: &[&str] =
    &["dead_letters.rs", "executor.rs", "gift_desk.rs", "runner.rs", "situations.rs", "turns.rs"];

/// What a pure room does not know: other machines, the disk, the time and chance.
const IMPURE: &[&str] = &[
    "sqlx",
    "tokio",
    "async_nats",
    "axum",
    "reqwest",
    "rand::",
    "std::fs",
    "std::env",
    "std::net",
    "std::io",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "Utc::now",
    "Uuid::now_v7",
    "Uuid::new_v4",
];

/// The files of every aggregate; `tests` may be a folder.
const AGGREGATE_FILES: &[&str] = &[
    "aggregate.rs",
    "apply.rs",
    "command.rs",
    "decide",
    "error.rs",
    "event.rs",
    "mod.rs",
    "policy.rs",
    "read.rs",
    "tests",
    "words.rs",
];
/// Files that only some aggregates need.
const AGGREGATE_EXTRAS: &[&str] = &["actions.rs", "code.rs", "purse.rs"];

/// Rooms without SQL.
const WITHOUT_SQL: &[&str] = &[
    "shared/src/domain/",
    "shared/src/follow/",
    "shared/src/web/",
    "command-service/src/http/",
    "command-service/src/command_handler.rs",
    "command-service/src/process_managers/executor.rs",
    "projection-service/src/http/",
    "projection-service/src/history/",
];

/// Each table, and the one place that writes it; the log and what belongs to it is written by `append_events`.
const WRITERS: &[(&str, &[&str])] = &[
    ("events", &[]),
    ("log_head", &[]),
    ("timers", &["command-service/src/timers/"]),
    ("command_receipts", &["command-service/src/event_log/"]),
    ("portion_claims", &[]),
    ("snapshots", &["command-service/src/event_log/"]),
    // Its migration's trigger does.
    ("snapshot_landmarks", &[]),
    ("process_manager_checkpoints", &["command-service/src/process_managers/"]),
    ("subject_keys", &["shared/src/sealing.rs"]),
    ("erasures", &[]),
    ("dev_fake_payments", &["command-service/src/providers/dev_fake/"]),
    ("provider_inbox", &["command-service/src/inbox/table.rs"]),
    ("payment_cases", &["command-service/src/cases/table.rs"]),
    ("payment_case_acts", &["command-service/src/cases/table.rs"]),
    ("bank_registry", &["command-service/src/registry/table.rs"]),
    // The demonstration brings its kitchens along.
    ("categories", &["command-service/src/catalogue/", "cli/src/dev/"]),
    ("producers", &["command-service/src/catalogue/", "cli/src/dev/"]),
    ("dishes", &["command-service/src/catalogue/", "cli/src/dev/"]),
    ("projection_checkpoints", &["projection-service/src/engine/"]),
    // Each side its own queues: the process managers', the projections'.
    (
        "dead_letters",
        &[
            "command-service/src/process_managers/",
            "projection-service/src/engine/",
            // What operators ask of either side's.
            "projection-service/src/dead_letters/",
        ],
    ),
    ("operations", &["projection-service/src/operations/"]),
    ("operator_acts", &["projection-service/src/operations/"]),
    ("operation_letters", &["projection-service/src/dead_letters/"]),
    ("projection_generations", &["projection-service/src/rebuild/"]),
    ("projection_refusals", &["projection-service/src/rebuild/"]),
    ("orders", &["projection-service/src/projections/orders/"]),
    ("payments", &["projection-service/src/projections/payments/"]),
    ("disputes", &["projection-service/src/projections/disputes/"]),
    ("feed_orders", &["projection-service/src/projections/feed/"]),
    ("feed_heads", &["projection-service/src/projections/feed/"]),
    ("feed_entries", &["projection-service/src/projections/feed/"]),
    ("gift_codes", &["command-service/src/gift_vault.rs"]),
    ("wrong_gift_codes", &["command-service/src/guesses.rs"]),
    ("gifts", &["projection-service/src/projections/gifts/"]),
    ("order_facts", &["projection-service/src/projections/order_facts/"]),
    ("order_line_facts", &["projection-service/src/projections/order_facts/"]),
    ("order_rollups", &["projection-service/src/projections/order_facts/"]),
    ("dish_rollups", &["projection-service/src/projections/order_facts/"]),
    ("ledger_flows", &["projection-service/src/projections/ledger/"]),
    ("ledger_postings", &["projection-service/src/projections/ledger/"]),
    ("ledger_accounts", &["projection-service/src/projections/ledger/"]),
    ("ledger_totals", &["projection-service/src/projections/ledger/"]),
    ("ws_tickets", &["projection-service/src/live/"]),
    ("dish_views", &["projection-service/src/projections/catalogue/"]),
];

fn process_managers() -> impl Fn(&File) -> bool {
    let folder = "command-service/src/process_managers/";
    move |file: &File| {
        let name = file.path.strip_prefix(folder);
        name.is_some_and(|name| !PROCESS_MANAGERS_WITH_IO.contains(&name))
    }
}

/// Every line of code with one of these words, in files that `judged` picks.
fn lines_with(words: &[&str], judged: impl Fn(&File) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in rust_files().iter().filter(|file| judged(file)) {
        for (number, line) in file.code() {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    found
}

fn in_services(file: &File) -> bool {
    ["shared/", "command-service/", "projection-service/"].iter().any(|crate_dir| file.path.starts_with(crate_dir))
}

#[test]
fn the_domain_knows_no_io_no_clock_and_no_chance() {
    let found = lines_with(IMPURE, |file| file.path.starts_with("shared/src/domain/"));
    check("time, ids and prices arrive inside the command", found);
}

#[test]
fn process_managers_only_decide() {
    check("what does I/O is the runner's or the executor's", lines_with(IMPURE, process_managers()));
}

#[test]
fn folds_are_pure() {
    let named =
        |name: &'static str| move |file: &File| file.path.contains("/projections/") && file.path.ends_with(name);
    check("a fold reads no table and no clock", lines_with(IMPURE, named("/row.rs")));
    // Beside the fold stands how its rows are read and written.
    let time_and_chance = ["rand::", "SystemTime", "Instant", "Utc::now", "Uuid::now_v7", "Uuid::new_v4", ".now()"];
    check("a fold reads no clock", lines_with(&time_and_chance, named("/fold.rs")));
}

#[test]
fn money_is_never_a_float() {
    let domain = |file: &File| file.path.starts_with("shared/src/domain/");
    check("use Money", lines_with(&["f32", "f64"], domain));
}

#[test]
fn no_file_is_longer_than_400_lines() {
    let lines = |file: &File| file.text.lines().count();
    let long = rust_files().into_iter().filter(|file| lines(file) > LINES_MAX);
    check("cut it by theme", long.map(|file| format!("{}: {} lines", file.path, lines(&file))).collect());
}

#[test]
fn every_module_says_what_it_is_for() {
    // What `tests.rs` holds, the file beside it says.
    let speaks = |file: &File| file.text.starts_with("//!") || file.path.ends_with("/tests.rs");
    let silent = rust_files().into_iter().filter(|file| !speaks(file));
    check("begin the file with one line of //!", silent.map(|file| file.path).collect());
}

#[test]
fn every_aggregate_has_the_same_files() {
    let domain = root().join("shared/src/domain");
    let names = |folder: &Path| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    };
    let mut broken = Vec::new();
    for folder in names(&domain).iter().map(|name| domain.join(name)).filter(|path| path.join("aggregate.rs").exists())
    {
        let found = names(&folder);
        let missing = AGGREGATE_FILES.iter().filter(|file| !found.contains(**file)).map(|file| format!("lacks {file}"));
        let known =
            |file: &&String| AGGREGATE_FILES.contains(&file.as_str()) || AGGREGATE_EXTRAS.contains(&file.as_str());
        let strange = found.iter().filter(|file| !known(file)).map(|file| format!("has {file}"));
        broken.extend(missing.chain(strange).map(|what| format!("{} {what}", folder.display())));
    }
    check("a newcomer finds the same things in every aggregate", broken);
}

#[test]
fn sql_stays_in_the_rooms_that_own_tables() {
    let without = |file: &File| WITHOUT_SQL.iter().any(|room| file.path.starts_with(room));
    check("ask the room that owns the table", lines_with(&["sqlx::query", "QueryBuilder"], without));
}

#[test]
fn a_table_is_written_in_one_room() {
    let mut broken = Vec::new();
    // Measurements fill databases of their own.
    for file in rust_files().iter().filter(|file| !file.path.starts_with("cli/src/bench/")) {
        let code = file.one_line();
        for verb in ["INSERT INTO ", "UPDATE ", "DELETE FROM ", "TRUNCATE ", "COPY "] {
            for written in code.split(verb).skip(1) {
                let table: String = written.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                let Some((_, rooms)) = WRITERS.iter().find(|(name, _)| *name == table) else { continue };
                if !rooms.iter().any(|room| file.path.starts_with(room)) {
                    broken.push(format!("{}: {verb}{table}", file.path));
                }
            }
        }
    }
    check("call the room that writes it", broken);
}

#[test]
fn every_table_has_its_writer_here() {
    let mut broken = Vec::new();
    for migration in files().iter().filter(|file| file.path.starts_with("migrations/")) {
        for made in migration.text.split("CREATE TABLE ").skip(1) {
            let table: String = made.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            // A function that makes tables like others names none.
            if !table.is_empty() && !WRITERS.iter().any(|(name, _)| *name == table) {
                broken.push(format!("{}: {table}", migration.path));
            }
        }
    }
    check("say in WRITERS who writes the table", broken);
}

#[test]
fn subjects_are_named_in_one_file() {
    let others = |file: &File| file.path != "shared/src/subjects.rs" && !file.path.starts_with("dev-servers/");
    let quoted =
        ["\"homefood.events", "\"homefood.dlq", "\"homefood.feed", "\"homefood_{", "\"EVENTS\"", "\"DEAD_LETTERS\""];
    check("name it in subjects.rs", lines_with(&quoted, others));
}

#[test]
fn only_http_speaks_of_status_codes() {
    let silent = |file: &File| {
        let speaks = ["/src/http/", "shared/src/web/", "runtime/health"];
        in_services(file) && !speaks.iter().any(|room| file.path.contains(room))
    };
    check("answer with a Rejection or a Problem", lines_with(&["StatusCode"], silent));
}

#[test]
fn nothing_inside_knows_http() {
    let inner = |file: &File| {
        // The socket is a way in like the routes of http.
        let outer =
            ["/src/http/", "/src/live/socket.rs", "/src/live/sse.rs", "/src/app.rs", "/src/lib.rs", "/src/main.rs"];
        in_services(file) && !outer.iter().any(|room| file.path.contains(room))
    };
    check("imports flow from http inwards", lines_with(&["crate::http"], inner));
}

#[test]
fn the_read_side_names_no_command() {
    let read_side = |file: &File| file.path.starts_with("projection-service/src/");
    check("commands are the write side's", lines_with(&["OrderCommand", "PaymentCommand", "GiftCommand"], read_side));
}

#[test]
fn services_do_not_depend_on_each_other() {
    let depends = |on: &str, file: &str| {
        let manifest = files().into_iter().find(|found| found.path == file).expect(file).text;
        let before_tests = manifest.split("[dev-dependencies]").next().unwrap_or_default().to_owned();
        before_tests.contains(&format!("\n{on}")).then(|| format!("{file}: {on}"))
    };
    let found = [
        depends("projection-service", "command-service/Cargo.toml"),
        depends("command-service", "projection-service/Cargo.toml"),
        depends("projection-service", "shared/Cargo.toml"),
        depends("command-service", "shared/Cargo.toml"),
    ];
    check("what both need is in shared", found.into_iter().flatten().collect());
}
