//! The machine under the benchmark, as far as the system tells.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// One line about the machine.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    format!(
        "{cores} cores ({}), {} MB of memory, kernel {kernel}, disk {}, load {load} at the end",
        processor(),
        memory() / 1_000_000,
        disk(Path::new(env!("CARGO_TARGET_TMPDIR")))
    )
}

/// Today, in UTC.
pub(crate) fn date() -> String {
    let days = std::time::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_secs() / 86_400);
    // Civil date of a day count, by the proleptic Gregorian calendar, with years that begin in March.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (
        day - (153 * month + 2) / 5 + 1,
        if month < 10 { month + 3 } else { month - 9 },
    );
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + u64::from(month <= 2))
}

/// Bytes of this process that are in memory.
pub(crate) fn resident() -> u64 {
    field("/proc/self/status", "VmRSS:") * 1024
}

/// Seconds that all threads of this process have run.
pub(crate) fn processor_time() -> f64 {
    processor_time_of("self")
}

/// Seconds that all threads of a process have run.
pub(crate) fn processor_time_of(process: &str) -> f64 {
    /// Ticks of a second, the same on every Linux.
    const TICKS: f64 = 100.0;
    let stat = read(&format!("/proc/{process}/stat"));
    // The name of the program, in parentheses, may have spaces.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS
}

fn memory() -> u64 {
    field("/proc/meminfo", "MemTotal:") * 1024
}

fn processor() -> String {
    let text = read("/proc/cpuinfo");
    let line = text.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(": "))
        .map_or("unknown", |(_, name)| name)
        .to_owned()
}

/// File system of a path, and kind of the device below it.
fn disk(path: &Path) -> String {
    let Ok(metadata) = path.metadata() else {
        return "unknown".to_owned();
    };
    let device = metadata.dev();
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    let mounts = read("/proc/self/mountinfo");
    let mount = mounts
        .lines()
        .find(|line| line.split(' ').nth(2) == Some(&format!("{major}:{minor}")));
    let system = mount
        .and_then(|line| line.split_once(" - "))
        .and_then(|(_, rest)| rest.split(' ').next())
        .unwrap_or("unknown file system");
    let block = format!("/sys/dev/block/{major}:{minor}");
    let name = fs::read_link(&block)
        .ok()
        .and_then(|link| Some(link.file_name()?.to_string_lossy().into_owned()));
    let kind = match &name {
        Some(name) if name.starts_with("vd") => "virtual",
        Some(name) if name.starts_with("nvme") => "NVMe",
        Some(_) if read(&format!("{block}/queue/rotational")) == "1" => "rotating",
        Some(_) => "solid",
        None => "unknown",
    };
    format!("{kind} with {system}")
}

fn field(path: &str, name: &str) -> u64 {
    let text = read(path);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
