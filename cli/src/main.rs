//! The `homefood` command.

#![allow(missing_docs, reason = "a program, not a library")]

mod bench;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
enum Homefood {
    Bench(bench::BenchArgs),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Homefood::Bench(args) = Homefood::parse();
    bench::run(args).await
}
