//! The homefood command: stdout is data, stderr is talk.

#![allow(missing_docs, reason = "a program, not a library")]

mod audit;
mod bench;
mod database;
mod dev;
mod doctor;
mod exit;
mod export;
mod migrate;
mod openapi;
mod operate;
mod seed;
mod token;

use std::{ffi::OsString, io::Write, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A marketplace for home-cooked food.
#[derive(Debug, Parser)]
#[command(name = "homefood", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the whole system on this machine, with servers of its own and demo data.
    Dev(dev::DevArgs),
    /// See whether this machine can run the system.
    Doctor(doctor::DoctorArgs),
    /// See how well a running service is.
    Health(operate::HealthArgs),
    /// Put kitchens and dishes into an empty installation.
    Seed(seed::SeedArgs),
    /// Print what a shell needs to complete this command.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Measure what the system reaches on this machine, beside what others reach on the same servers.
    Bench(bench::BenchArgs),
    /// Judge the whole log by the invariants of the business.
    Audit(audit::AuditArgs),
    /// Bring the database to the newest migration.
    Migrate(migrate::MigrateArgs),
    /// Make a token for development.
    Token(token::TokenArgs),
    /// Print the OpenAPI document.
    Openapi,
    /// Events of an aggregate or of the whole log, and aggregates as they were.
    Stream(operate::StreamArgs),
    /// What followed from what in a business flow.
    Trace(operate::TraceArgs),
    /// How projections stand; rebuild, verify, heal them.
    Projection(operate::ProjectionArgs),
    /// Dead letters: look, try, redrive, discard.
    Dlq(operate::DlqArgs),
    /// Write the event log to a file.
    Export(export::ExportArgs),
}

/// What the command ends with: 0 ok, 1 error, 2 usage, 3 not found, 4 conflict, 5 unavailable, 6 partly failed.
fn main() -> ExitCode {
    let cli = Cli::parse_from(arguments());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("homefood: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match cli.verb {
            Verb::Dev(args) => dev::run(args).await,
            Verb::Doctor(args) => doctor::run(args).await,
            Verb::Health(args) => operate::health(args).await,
            Verb::Seed(args) => seed::run(args).await,
            Verb::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "homefood", &mut script);
                match std::io::stdout().write_all(&script) {
                    // Whoever read the beginning has what they wanted.
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
                    written => Ok(written?),
                }
            }
            Verb::Bench(args) => bench::run(args).await,
            Verb::Audit(args) => audit::run(args).await,
            Verb::Migrate(args) => migrate::run(args).await,
            Verb::Token(args) => token::run(args).await,
            Verb::Openapi => openapi::run(),
            Verb::Stream(args) => operate::stream(args).await,
            Verb::Trace(args) => operate::trace(args).await,
            Verb::Projection(args) => operate::projection(args).await,
            Verb::Dlq(args) => operate::dlq(args).await,
            Verb::Export(args) => export::run(args).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("homefood: {error:#}");
            error.downcast_ref::<exit::Exit>().map_or(ExitCode::FAILURE, |exit| ExitCode::from(exit.code))
        }
    }
}

/// `dev bench` is `bench`, so that `cargo dev` is all there is to remember.
fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|verb| verb == "dev") && arguments.get(2).is_some_and(|verb| verb == "bench") {
        arguments.remove(1);
    }
    arguments
}
