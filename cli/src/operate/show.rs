//! Answers on a terminal: tables for people, JSON for programs.

use std::io::{ErrorKind, Write};

use serde_json::Value;

/// One line of data. Who has read enough closes the pipe, and that is no error.
pub fn line(text: impl std::fmt::Display) {
    if let Err(error) = writeln!(std::io::stdout(), "{text}") {
        let code = if error.kind() == ErrorKind::BrokenPipe { 0 } else { 1 };
        std::process::exit(code);
    }
}

/// JSON on one line each, for programs.
pub fn json(value: &Value) {
    line(value);
}

/// JSON over several lines, for people.
pub fn pretty(value: &Value) {
    line(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// A table: columns by title and JSON pointer.
pub fn table(rows: &[Value], columns: &[(&str, &str)]) {
    let mut lines = vec![columns.iter().map(|(title, _)| (*title).to_owned()).collect::<Vec<_>>()];
    lines.extend(rows.iter().map(|row| columns.iter().map(|(_, pointer)| cell(row.pointer(pointer))).collect()));
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| lines.iter().map(|line: &Vec<String>| line[at].chars().count()).max().unwrap_or(0))
        .collect();
    for row in lines {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        line(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// A value in one line.
pub fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.replace('\n', " "),
        Some(other) => other.to_string(),
    }
}
