//! The report for people.

use std::fmt::Write;

use super::report::{Report, Row};

/// The whole report.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(&mut text, report);
    text
}

fn write_all(text: &mut String, report: &Report) -> std::fmt::Result {
    let machine = &report.machine;
    writeln!(text, "{} × {}, {}", machine.cores, machine.processor, machine.postgres)?;
    writeln!(text, "{}; {} s per row", machine.postgres_settings, report.seconds)?;
    if !machine.release_build {
        writeln!(text, "NOT A RELEASE BUILD: these numbers mean nothing")?;
    }
    writeln!(
        text,
        "\n{:<50} {:>5} {:>9} {:>8} {:>8} {:>9} {:>9} {:>7}",
        "", "conn.", "per s", "p50 ms", "p99 ms", "events/s", "cmds/s", "others"
    )?;
    for row in &report.rows {
        write_row(text, row)?;
    }
    writeln!(text, "\nProcessor time in µs for one of what is counted under `per s`:")?;
    for row in report.rows.iter().filter(|row| !row.cpu_us_each.is_empty()) {
        let parts: Vec<String> = row.cpu_us_each.iter().map(|(name, micros)| format!("{name} {micros:.1}")).collect();
        writeln!(text, "{:<50} {:>5} {}", row.what, row.connections, parts.join(", "))?;
    }
    writeln!(text, "\nMemory in MB:")?;
    for row in &report.memory {
        let parts: Vec<String> = row.bytes.iter().map(|(name, bytes)| format!("{name} {}", bytes >> 20)).collect();
        writeln!(text, "{:<34} {:>9} events  {}", row.when, row.events, parts.join(", "))?;
    }
    writeln!(text, "\nTo be reached:")?;
    for target in &report.targets {
        let mark = if target.reached { "yes" } else { "NO" };
        writeln!(text, "{mark:>4}  {:<80} {:>10.2} (wanted {})", target.what, target.measured, target.wanted)?;
    }
    writeln!(text, "\nChecked:")?;
    for check in &report.checks {
        writeln!(text, "  {check}")?;
    }
    Ok(())
}

fn write_row(text: &mut String, row: &Row) -> std::fmt::Result {
    let whole = |number: Option<f64>| number.map(|number| format!("{number:.0}")).unwrap_or_default();
    writeln!(
        text,
        "{:<50} {:>5} {:>9.0} {:>8.2} {:>8.2} {:>9} {:>9} {:>6.0}%",
        row.what,
        row.connections,
        row.per_second,
        row.p50_ms,
        row.p99_ms,
        whole(row.events_per_second),
        whole(row.all_commands_per_second),
        row.others_cpu_percent
    )?;
    if row.kinds.len() > 1 {
        for (name, kind) in &row.kinds {
            let (rate, p50, p99) = (kind.per_second, kind.p50_ms, kind.p99_ms);
            writeln!(text, "    {name:<52} {rate:>9.0} {p50:>8.2} {p99:>8.2}")?;
        }
    }
    for (note, count) in &row.notes {
        writeln!(text, "    {note}: {count}")?;
    }
    Ok(())
}
