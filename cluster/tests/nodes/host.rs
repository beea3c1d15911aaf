//! Hosts on a bridge, each with a disk and at most one process.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use faults::{Loss, Plan, settle};
use tempfile::TempDir;

use crate::{
    bridge::Bridge,
    client::Connection,
    process::{CLIENTS, SETTINGS, Settings, Shape},
};

/// Longest time until a process takes calls.
const STARTS: Duration = Duration::from_secs(60);

/// Longest time that a process takes to stop when it is asked to.
const STOPS: Duration = Duration::from_secs(60);

/// A host.
pub(crate) struct Host {
    pub(crate) number: u8,
    pub(crate) address: IpAddr,
    pub(crate) seeds: Vec<IpAddr>,
    certificates: PathBuf,
    shape: Shape,
    /// Whether its node keeps nothing.
    pub(crate) is_gateway: bool,
    disk: TempDir,
    process: Option<Child>,
    /// What goes wrong with the disk of the process, and what it has synced.
    plan: Option<Plan>,
}

impl Host {
    /// A host without a process, with an empty disk.
    pub(crate) fn new(
        bridge: &mut Bridge,
        number: u8,
        seeds: Vec<IpAddr>,
        certificates: PathBuf,
        shape: Shape,
    ) -> Self {
        bridge.add(number);
        Self {
            number,
            address: bridge.address(number),
            seeds,
            certificates,
            shape,
            is_gateway: false,
            disk: TempDir::new().unwrap(),
            process: None,
            plan: None,
        }
    }

    /// Where clients call.
    pub(crate) fn clients(&self) -> SocketAddr {
        SocketAddr::new(self.address, CLIENTS)
    }

    /// The number of the process.
    pub(crate) fn process(&self) -> Option<u32> {
        // `ip netns exec` becomes the process that it runs.
        Some(self.process.as_ref()?.id())
    }

    /// A disk of which it is written down what was synced, and on which nothing goes wrong.
    pub(crate) fn watched_disk(&self) -> Plan {
        let records = self.disk.path().join("records");
        if records.exists() {
            std::fs::remove_dir_all(&records).unwrap();
        }
        let plan = Plan::new(self.directory(), records);
        plan.prepare().unwrap();
        plan
    }

    /// Starts the process on such a disk, and does not wait for it.
    pub(crate) fn start_on(&mut self, bridge: &Bridge, plan: Plan) {
        self.plan = Some(plan);
        self.start(bridge);
    }

    /// Makes of the disk what is left of it. The process has ended. Returns the files of which a sync failed.
    pub(crate) fn settle(&mut self, loss: Loss, seed: u64) -> Vec<PathBuf> {
        assert!(self.process.is_none(), "host {} has a process", self.number);
        let plan = self.plan.take().unwrap();
        let settled = settle(&plan, loss, seed).unwrap();
        println!(
            "           host {}: {} syncs failed, {} writes were not synced, {} sectors are lost",
            self.number,
            settled.failed_syncs.len(),
            settled.unsynced_writes,
            settled.lost_sectors
        );
        settled.failed_syncs
    }

    /// Waits until the process ends by itself; none if it does not.
    pub(crate) async fn ended(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + STOPS;
        while Instant::now() < deadline {
            if let Some(status) = self.process.as_mut().unwrap().try_wait().unwrap() {
                self.process = None;
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }

    /// Starts the process, and does not wait for it.
    pub(crate) fn start(&mut self, bridge: &Bridge) {
        assert!(self.process.is_none(), "host {} has a process", self.number);
        let settings = Settings {
            shape: self.shape,
            name: format!("n{}", self.number),
            address: self.address,
            directory: self.directory(),
            seeds: self.seeds.clone(),
            certificates: self.certificates.clone(),
            is_gateway: self.is_gateway,
        };
        let log = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.disk.path().join("log"))
            .unwrap();
        let process = bridge
            .command(self.number, std::env::current_exe().unwrap().as_os_str())
            .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
            .env(SETTINGS, serde_json::to_string(&settings).unwrap())
            .envs(self.plan.iter().flat_map(Plan::environment))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        self.process = Some(process);
    }

    /// Waits until the process takes calls.
    pub(crate) async fn ready(&mut self) {
        let deadline = Instant::now() + STARTS;
        loop {
            if let Ok(mut connection) = Connection::open(self.clients()).await
                && connection.call("hello").await.is_ok_and(|answer| answer == "hello")
            {
                return;
            }
            let process = self.process.as_mut().unwrap();
            if let Some(status) = process.try_wait().unwrap() {
                panic!(
                    "the process of host {} ended with {status}:\n{}",
                    self.number,
                    self.log()
                );
            }
            assert!(
                Instant::now() < deadline,
                "host {} is not ready:\n{}",
                self.number,
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills the process.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Replaces the disk by an empty one.
    pub(crate) fn wipe(&mut self) {
        assert!(self.process.is_none(), "host {} has a process", self.number);
        self.disk = TempDir::new().unwrap();
    }

    /// What its node keeps.
    pub(crate) fn directory(&self) -> PathBuf {
        self.disk.path().join("data")
    }

    /// Freezes the process, or lets it go on.
    pub(crate) fn freeze(&self, is_frozen: bool) {
        self.signal(if is_frozen { "STOP" } else { "CONT" });
    }

    /// Asks the process to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        drop(process.stdin.take());
        let deadline = Instant::now() + STOPS;
        while process.try_wait().unwrap().is_none() {
            assert!(
                Instant::now() < deadline,
                "host {} does not stop:\n{}",
                self.number,
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The end of what its processes wrote.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.disk.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let end = lines.len().saturating_sub(60);
        // A long backtrace must not hide what it is of.
        let panics = lines[..end].windows(2).filter(|lines| lines[0].contains("panicked at"));
        let panics: Vec<_> = panics.flatten().copied().collect();
        [&panics[..], &lines[end..]].concat().join("\n")
    }

    /// Keeps what is on the disk, for a person to look at.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.disk.disable_cleanup(true);
        self.disk.path().to_owned()
    }

    fn signal(&self, signal: &str) {
        if let Some(process) = self.process() {
            let sent = Command::new("kill").args(["-s", signal, &process.to_string()]).status();
            assert!(
                sent.unwrap().success(),
                "host {} has no process any more:\n{}",
                self.number,
                self.log()
            );
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
    }
}
