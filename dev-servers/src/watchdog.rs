//! Keeps a server from outliving us: a small `sh` waits on a pipe and stops the server when it closes.
//!
//! Not `prctl(PR_SET_PDEATHSIG)`: it fires when the spawning *thread* ends, is cleared by a change of
//! user, needs unsafe code and is known to Linux only.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::account::Account;
use crate::probe::wait_for;

/// Arguments: stop signal, seconds of grace, log file, then the server's command line.
///
/// Descriptors 4 and 5 are only kept open, by the server too: the pipe to the janitor, and the lock.
const WATCHDOG: &str = r#"
signal=$1 grace=$2 log=$3
shift 3
exec 3<&0 4>&1 5>&2 </dev/null >>"$log" 2>&1
"$@" 3<&- &
server=$!
(
    read -r order <&3 || order=stop
    if [ "$order" = stop ]; then
        kill -s "$signal" "$server"
        tenths=$((grace * 10))
        while [ "$tenths" -gt 0 ] && kill -0 "$server"; do sleep 0.1; tenths=$((tenths - 1)); done
    fi
    kill -s KILL "$server"
) 2>/dev/null &
guard=$!
wait "$server"
status=$?
kill "$guard" 2>/dev/null
exit "$status"
"#;

/// Waits until we and every server that uses the directory are gone, then removes it.
const JANITOR: &str = r#"
while read -r _; do :; done
for _ in 1 2 3 4 5; do rm -rf -- "$1" && exit 0; sleep 0.2; done
"#;

/// How long processes may linger after their server ended.
const RELEASE: Duration = Duration::from_secs(20);

/// A server that can be started, and started again.
pub(crate) struct Launch {
    pub name: &'static str,
    pub program: PathBuf,
    pub args: Vec<String>,
    pub account: Account,
    /// Holds the log and the lock; also the working directory.
    pub dir: PathBuf,
    pub stop_signal: &'static str,
    pub grace_secs: u32,
    /// Removed only after the server ended.
    pub scratch: ThrowAwayDir,
}

impl Launch {
    pub fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// Starts the server and waits until `ready` says so; if it ends before, the error holds its last words.
    pub fn bring_up(&self, deadline: Duration, ready: impl Fn() -> bool) -> Result<Watchdog> {
        let mut watchdog = self.spawn()?;
        let mut ended = None;
        let up = wait_for(deadline, || {
            ended = watchdog.child.try_wait().ok().flatten();
            ended.is_some() || ready()
        });
        match ended {
            Some(status) => bail!("{} ended while starting ({status}): {}", self.name, self.last_words()),
            None if !up => bail!("{} was not ready after {deadline:?}: {}", self.name, self.last_words()),
            None => Ok(watchdog),
        }
    }

    fn spawn(&self) -> Result<Watchdog> {
        let lock = self.take_lock()?;
        let log = self.log();
        File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        self.account.own(&log)?;

        let mut command = Command::new("sh");
        command
            .args(["-c", WATCHDOG, "homefood-watchdog", self.stop_signal, &self.grace_secs.to_string()])
            .args([&log, &self.program])
            .args(&self.args)
            .current_dir(&self.dir)
            .stdin(Stdio::piped())
            .stdout(self.scratch.hold()?)
            .stderr(lock)
            // Ctrl-C reaches the whole foreground group: we stop our servers ourselves, in order.
            .process_group(0);
        self.account.apply(&mut command);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", self.name))?;
        let orders = child.stdin.take();
        Ok(Watchdog { child, orders, lock: self.lock(), name: self.name })
    }

    /// The lock passes to the server and is free again when its last process ended.
    fn take_lock(&self) -> Result<File> {
        let path = self.lock();
        let mut file = open_lock(&path)?;
        let mut owner = None;
        wait_for(RELEASE, || match file.try_lock() {
            Ok(()) => true,
            // A dead owner's watchdog is about to let go, and so is one we dropped; a living owner is not.
            Err(_) => {
                owner = read_owner(&path).filter(|pid| *pid != std::process::id() as i32 && is_alive(*pid));
                owner.is_some()
            }
        });
        match (owner, file.try_lock()) {
            (_, Ok(())) => {}
            (Some(pid), Err(_)) => {
                bail!("{} is in use by process {pid}; stop it first (another `cargo dev`?)", self.dir.display())
            }
            (None, Err(TryLockError::WouldBlock)) => {
                bail!("{} is still in use by a {} of an earlier run", self.dir.display(), self.name)
            }
            (None, Err(TryLockError::Error(error))) => return Err(error).context("cannot lock the data directory"),
        }
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())?;
        Ok(file)
    }

    fn last_words(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(15)..].join("\n");
        format!("\n{tail}\n(log: {})", self.log().display())
    }
}

/// A running server; dropping it stops the server without waiting.
pub(crate) struct Watchdog {
    child: Child,
    orders: Option<ChildStdin>,
    lock: PathBuf,
    name: &'static str,
}

impl Watchdog {
    /// Stops the server in its own orderly way and waits until it is gone.
    pub fn stop(self) -> Result<()> {
        self.end("stop")
    }

    /// `kill -9`, then waits until the last of its processes is gone.
    pub fn kill(self) -> Result<()> {
        self.end("kill")
    }

    fn end(mut self, order: &str) -> Result<()> {
        if let Some(mut orders) = self.orders.take() {
            // It may have ended already, and then nobody reads this.
            writeln!(orders, "{order}").ok();
        }
        self.child.wait().with_context(|| format!("cannot wait for {}", self.name))?;
        let lock = open_lock(&self.lock)?;
        let released = wait_for(RELEASE, || lock.try_lock().is_ok());
        ensure!(released, "processes of {} are still there after it ended", self.name);
        Ok(())
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.orders.take();
        // Forgets an error: a watchdog that was waited for has nothing left to reap.
        reap(&mut self.child);
    }
}

/// A directory that goes away with us, or with the last server that uses it.
pub(crate) struct ThrowAwayDir {
    path: PathBuf,
    alive: Option<OwnedFd>,
    janitor: Child,
}

impl ThrowAwayDir {
    /// A fresh directory with a short path, owned by `account` and closed to others.
    pub fn new(account: &Account) -> Result<ThrowAwayDir> {
        let mut parent = std::env::temp_dir();
        // A socket's path has room for 103 bytes on macOS, 107 on Linux.
        if parent.as_os_str().len() > 60 || !account.reaches(&parent) {
            parent = PathBuf::from("/tmp");
        }
        let path = tempfile::Builder::new()
            .prefix("homefood-")
            .tempdir_in(&parent)
            .with_context(|| format!("cannot create a directory in {}", parent.display()))?
            .keep();
        account.own(&path)?;
        let mut janitor = Command::new("sh")
            .args(["-c", JANITOR, "homefood-janitor"])
            .arg(&path)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        let alive = janitor.stdin.take().map(OwnedFd::from);
        Ok(ThrowAwayDir { path, alive, janitor })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn hold(&self) -> Result<Stdio> {
        let alive = self.alive.as_ref().context("the throw-away directory was let go")?;
        Ok(Stdio::from(alive.try_clone()?))
    }
}

impl Drop for ThrowAwayDir {
    fn drop(&mut self) {
        self.alive.take();
        reap(&mut self.janitor);
    }
}

/// Waits for the child on a thread, so that no zombie stays behind in a long test run.
fn reap(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None)) {
        let pid = rustix::process::Pid::from_child(child);
        std::thread::Builder::new()
            .name("dev-servers-reaper".into())
            .spawn(move || rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()))
            .ok();
    }
}

fn open_lock(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

fn read_owner(path: &Path) -> Option<i32> {
    let mut text = String::new();
    File::open(path).ok()?.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn is_alive(pid: i32) -> bool {
    let Some(pid) = rustix::process::Pid::from_raw(pid) else { return false };
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}
