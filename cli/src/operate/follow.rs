//! Following an operation to its end, with a bar on a terminal.

use std::{io::IsTerminal, time::Duration};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::{client::Client, show};
use crate::exit::{self, Exit};

/// How often it is asked about.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// Follows an operation until it ends or waits for a person, and says what came of it.
pub async fn follow(client: &Client, operation: &Value) -> Result<()> {
    let id = operation["id"].as_str().unwrap_or_default().to_owned();
    let bar = bar();
    let ended = loop {
        let found = client.data(&format!("/operations/{id}"), &[]).await?;
        let progress = &found["progress"];
        bar.set_length(progress["total"].as_u64().unwrap_or(0));
        bar.set_position(progress["done"].as_u64().unwrap_or(0));
        bar.set_message(show::cell(progress.get("stage")));
        if !matches!(found["state"].as_str(), Some("planned" | "running")) {
            break found;
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
        Some("paused") => Err(Exit::new(exit::PARTLY_FAILED, "it waits for you: swap, resume or cancel").into()),
        Some("cancelled") => Err(Exit::new(1, "it was called off").into()),
        _ => Err(Exit::new(1, "it failed").into()),
    }
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
