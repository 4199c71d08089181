//! Following an operation to its end, with a bar on a terminal.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::{client::Client, show};
use crate::exit::{self, Exit};

/// The stage of a rebuild that a person decides on.
const WAITS_FOR_SWAP: &str = "waits for swap or cancel";
/// How often it is asked about.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// How long it may go unanswered while a service restarts.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Follows an operation until it ends or waits for a person, and says what came of it.
pub async fn follow(client: &Client, operation: &Value) -> Result<()> {
    let id = operation["id"].as_str().unwrap_or_default().to_owned();
    let asked_at = &operation["updated_at"];
    let bar = bar();
    let mut silent_since = Instant::now();
    let ended = loop {
        let found = match client.data(&format!("/operations/{id}"), &[]).await {
            Ok(found) => found,
            // The operation goes on without whoever watches it.
            Err(error) if exit::code(&error) == exit::UNAVAILABLE && silent_since.elapsed() < SILENCE_MAX => {
                tokio::time::sleep(ASK_EVERY).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        silent_since = Instant::now();
        let progress = &found["progress"];
        bar.set_length(progress["total"].as_u64().unwrap_or(0));
        bar.set_position(progress["done"].as_u64().unwrap_or(0));
        bar.set_message(show::cell(progress.get("stage")));
        match found["state"].as_str() {
            Some("planned" | "running") => {}
            // It was told to go on, and nobody has taken it up yet.
            Some("paused") if operation["state"] == "paused" && found["updated_at"] == *asked_at => {}
            _ => break found,
        }
        tokio::time::sleep(ASK_EVERY).await;
    };
    bar.finish_and_clear();
    say(client, &ended)
}

fn say(client: &Client, ended: &Value) -> Result<()> {
    if client.json {
        show::json(ended);
    } else {
        show::pretty(ended);
    }
    let number = |pointer: &str| ended.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let went_wrong = number("/errors_total") + number("/result/drifted") + number("/result/failed");
    match ended["state"].as_str() {
        Some("succeeded") if went_wrong == 0 => Ok(()),
        Some("succeeded") => Err(Exit::new(exit::PARTLY_FAILED, "it ended, and not all went well").into()),
        Some("paused") => Err(Exit::new(exit::PARTLY_FAILED, waits(ended)).into()),
        Some("cancelled") => Err(Exit::new(1, "it was called off").into()),
        _ => Err(Exit::new(1, "it failed").into()),
    }
}

/// What a person has to do about an operation that does not go on by itself.
fn waits(ended: &Value) -> String {
    let subject = ended["subject"].as_str().unwrap_or_default();
    let verbs = |verb: &str| format!("`homefood projection {verb} {subject} --reason …`");
    if ended["progress"]["stage"] != WAITS_FOR_SWAP {
        return format!("it rests: {} goes on, {} calls it off", verbs("resume"), verbs("cancel"));
    }
    let tables = ended["result"]["tables"].as_array().cloned().unwrap_or_default();
    let rows = ["changed", "only_live", "only_new"];
    let differ: u64 = tables.iter().flat_map(|table| rows.map(|name| table[name].as_u64().unwrap_or(0))).sum();
    let drifted = ended["result"]["drifts"].as_array().map_or(0, Vec::len);
    let lost = ended["result"]["lost_aggregates"].as_u64().unwrap_or(0);
    format!(
        "not swapped: {differ} rows differ, {drifted} of a sample are not what their events add up to, {lost} aggregates \
         are refused that the live tables have; {} takes the new tables, {} keeps the live ones",
        verbs("swap"),
        verbs("cancel")
    )
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg:24} {wide_bar} {human_pos}/{human_len}  {per_sec}  {eta}");
    let bar = ProgressBar::new(0);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
