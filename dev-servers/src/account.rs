//! Who runs Postgres: ourselves, or an unprivileged user when we are root.

use std::fs::{self, DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

/// The user a server runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// The user of this process.
    Own,
    /// Somebody else, because Postgres refuses root.
    Other {
        /// The login name, for messages.
        name: String,
        /// The user id.
        uid: u32,
        /// The group id.
        gid: u32,
    },
}

impl Account {
    /// Ourselves, or `postgres` (else `nobody`) when we are root.
    pub fn for_postgres() -> Result<Account> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Account::Own);
        }
        let users = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        match ["postgres", "nobody"].iter().find_map(|name| find_user(&users, name)) {
            Some(account) => Ok(account),
            None => bail!("Postgres refuses root, and there is neither a user `postgres` nor `nobody` to run it as"),
        }
    }

    /// Makes the command run as this user.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Account::Other { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
    }

    /// Gives a file or directory to this user.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        match self {
            Account::Own => Ok(()),
            Account::Other { name, uid, gid } => {
                chown(path, Some(*uid), Some(*gid)).with_context(|| format!("cannot give {} to {name}", path.display()))
            }
        }
    }

    /// Whether this user can walk down to the path; parts that do not exist yet are made by us, open.
    pub(crate) fn reaches(&self, path: &Path) -> bool {
        let Account::Other { uid, gid, .. } = self else { return true };
        let resolved = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        resolved.ancestors().filter_map(|part| fs::metadata(part).ok()).all(|part| may_execute(&part, *uid, *gid))
    }

    /// The directory itself, or a stand-in under `/var/tmp` when this user cannot reach it.
    pub(crate) fn reachable_dir(&self, wanted: &Path) -> Result<PathBuf> {
        if self.reaches(wanted) {
            make_dir(wanted)?;
            return Ok(wanted.to_path_buf());
        }
        let digest = Sha256::digest(wanted.as_os_str().as_encoded_bytes());
        let hash: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let stand_in = PathBuf::from(format!("/var/tmp/homefood-{hash}"));
        make_dir(&stand_in)?;
        // Anybody may create names in /var/tmp: trust only what is ours.
        let owner = fs::symlink_metadata(&stand_in)?.uid();
        ensure!(
            owner == rustix::process::geteuid().as_raw(),
            "{} belongs to somebody else (uid {owner}); remove it",
            stand_in.display()
        );
        tracing::warn!(
            "the user that runs Postgres cannot reach {}; using {} instead",
            wanted.display(),
            stand_in.display()
        );
        Ok(stand_in)
    }
}

/// Creates a directory and its parents, readable by all whatever the umask says.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    let made = DirBuilder::new().mode(0o755).create(path);
    match made {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(0o755)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
    .with_context(|| format!("cannot create {}", path.display()))
}

fn find_user(passwd: &str, wanted: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        if fields.len() < 4 || fields[0] != wanted {
            return None;
        }
        // macOS writes `nobody` as -2.
        let id = |field: &str| field.parse::<i64>().ok().map(|id| id as u32);
        Some(Account::Other { name: wanted.into(), uid: id(fields[2])?, gid: id(fields[3])? })
    })
}

fn may_execute(file: &Metadata, uid: u32, gid: u32) -> bool {
    let needed = match () {
        () if file.uid() == uid => 0o100,
        () if file.gid() == gid => 0o010,
        () => 0o001,
    };
    file.mode() & needed != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/bash\nnobody:*:-2:-2:Unprivileged:/var/empty:/usr/bin/false\nodd line\n";

    #[test]
    fn users_are_found_by_name_even_with_negative_ids() {
        let nobody = Account::Other { name: "nobody".into(), uid: u32::MAX - 1, gid: u32::MAX - 1 };
        assert_eq!(find_user(PASSWD, "nobody"), Some(nobody));
        assert_eq!(find_user(PASSWD, "postgres"), None);
    }

    #[test]
    fn a_private_directory_is_out_of_reach_for_others() {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = Account::Other { name: "stranger".into(), uid: 4_000_001, gid: 4_000_001 };

        assert!(!stranger.reaches(&home.path().join("not/there/yet")));
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(stranger.reaches(&home.path().join("not/there/yet")));
    }
}
