//! What each process takes of the machine, read from `/proc`.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
};

/// What the kernel counts processor time in.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time since the beginning, in seconds.
#[derive(Debug, Clone, Default)]
pub struct CpuTime {
    /// Of each of our programs.
    ours: BTreeMap<String, f64>,
    /// Of the whole machine.
    machine: f64,
}

/// What was taken between two readings.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct CpuUsed {
    /// Seconds of each of our programs.
    pub seconds: BTreeMap<String, f64>,
    /// Seconds of everybody else on this machine.
    pub others_seconds: f64,
}

/// A process.
#[derive(Debug)]
struct Process {
    parent: u32,
    name: String,
    cpu_seconds: f64,
}

impl CpuTime {
    /// Reads it. `roles` names those of our own processes that play a part.
    pub fn now(roles: &BTreeMap<u32, String>) -> Self {
        let mut ours: BTreeMap<String, f64> = BTreeMap::new();
        for (pid, process) in family() {
            *ours.entry(role_of(pid, &process, roles)).or_default() += process.cpu_seconds;
        }
        Self { ours, machine: machine_seconds() }
    }

    /// What was taken since `earlier`.
    pub fn since(&self, earlier: &Self) -> CpuUsed {
        let seconds: BTreeMap<String, f64> = self
            .ours
            .iter()
            .map(|(role, now)| (role.clone(), (now - earlier.ours.get(role).unwrap_or(&0.0)).max(0.0)))
            .filter(|(_, seconds)| *seconds > 0.0)
            .collect();
        let ours: f64 = seconds.values().sum();
        CpuUsed { others_seconds: (self.machine - earlier.machine - ours).max(0.0), seconds }
    }
}

/// Memory of each of our programs, in bytes: what it has for itself and its share of what it has in common.
pub fn memory(roles: &BTreeMap<u32, String>) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for (pid, process) in family() {
        *sums.entry(role_of(pid, &process, roles)).or_default() += memory_of(pid);
    }
    // The shells that watch over the servers are not worth a number.
    sums.retain(|_, bytes| *bytes >= 1 << 20);
    sums
}

fn role_of(pid: u32, process: &Process, roles: &BTreeMap<u32, String>) -> String {
    match roles.get(&pid) {
        Some(role) => role.clone(),
        None if pid == std::process::id() => "load generator".to_owned(),
        None => process.name.clone(),
    }
}

/// This process and all that it started.
fn family() -> HashMap<u32, Process> {
    let me = std::process::id();
    let all: HashMap<u32, Process> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, read_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?)))
        .collect();
    let is_ours = |mut pid: u32| {
        while pid > 1 && pid != me {
            pid = all.get(&pid).map_or(0, |process| process.parent);
        }
        pid == me
    };
    let ours: Vec<u32> = all.keys().copied().filter(|pid| is_ours(*pid)).collect();
    let mut all = all;
    ours.into_iter().filter_map(|pid| all.remove_entry(&pid)).collect()
}

/// The fields are described in proc(5). Time of children that have ended counts: a Postgres has many of them.
fn read_stat(stat: &str) -> Option<Process> {
    let (before, after) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        name: before.split_once('(')?.1.to_owned(),
        cpu_seconds: (ticks(11)? + ticks(12)? + ticks(13)? + ticks(14)?) / TICKS_PER_SECOND,
    })
}

fn machine_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; the rest is contained in these.
    let busy = ticks.iter().take(8).enumerate().filter(|(index, _)| ![3, 4].contains(index)).map(|(_, ticks)| ticks);
    busy.sum::<f64>() / TICKS_PER_SECOND
}

fn memory_of(pid: u32) -> u64 {
    // The proportional share is for the owner and for root; the resident size counts shared memory again and again.
    kilobytes(pid, "smaps_rollup", "Pss").or_else(|| kilobytes(pid, "status", "VmRSS")).unwrap_or(0) * 1_024
}

/// The most memory that a process ever had, in bytes; 0 once it is gone.
pub fn peak(pid: u32) -> u64 {
    kilobytes(pid, "status", "VmHWM").unwrap_or(0) * 1_024
}

fn kilobytes(pid: u32, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned))?;
    line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_past_any_name() {
        let line = "42 (a) name)) S 7 1 1 0 -1 4194560 1 2 3 4 100 50 25 25 20 0 1 0 5 6 7";
        let process = read_stat(line).expect("well-formed");
        assert_eq!((process.parent, process.name.as_str(), process.cpu_seconds), (7, "a) name)", 2.0));
    }

    #[test]
    fn we_are_of_our_own_family() {
        assert!(family().contains_key(&std::process::id()));
        assert!(memory_of(std::process::id()) > 0);
    }
}
