//! A machine with a disk: processes are started on it, killed, and the power is cut.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use faults::{Loss, Plan, Settled, history, settle};
use tempfile::TempDir;

use crate::told::Told;

/// Tells the child how many steps each client takes, and that it is the child.
pub(crate) const TRAFFIC: &str = "CRASH_TRAFFIC";

/// Begins the lines that are meant for the parent.
pub(crate) const MARK: &str = "@@ ";

/// The exit code of a node that did not open.
pub(crate) const REFUSED_TO_START: i32 = 3;

/// Longest life of a process that should have ended by itself.
const HANGS: Duration = Duration::from_secs(90);

/// When a process is killed from outside.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kill {
    /// So long after it was ready.
    Ready(Duration),
    /// So long after it was started.
    Started(Duration),
    /// It ends by itself.
    Never,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) status: ExitStatus,
    /// Whether it got as far as taking traffic.
    pub(crate) was_ready: bool,
    /// The lines in which it said why it stopped, or did not start.
    pub(crate) reasons: Vec<String>,
    /// Steps that were acknowledged.
    pub(crate) told: u64,
}

impl End {
    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }

    /// It noticed the fault and stopped, or did not start.
    pub(crate) fn stopped_itself(&self) -> bool {
        matches!(self.status.code(), Some(70 | REFUSED_TO_START))
    }
}

/// One data directory with its history.
pub(crate) struct Machine {
    directory: TempDir,
    told: Told,
    steps: u64,
    /// Syncs that have failed in the journal that is going on.
    failed_syncs: usize,
    /// Those of the process that ended last.
    new_failed_syncs: Vec<PathBuf>,
}

/// A process that ends with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Machine {
    pub(crate) fn new(steps: u64) -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            told: Told::default(),
            steps,
            failed_syncs: 0,
            new_failed_syncs: Vec::new(),
        }
    }

    /// A plan without faults on this machine's disk.
    pub(crate) fn plan(&self) -> Plan {
        let plan = Plan::new(
            self.directory.path().join("data"),
            self.directory.path().join("records"),
        );
        plan.prepare().unwrap();
        plan
    }

    /// Acknowledged steps so far.
    pub(crate) fn told(&self) -> u64 {
        self.told.total()
    }

    /// Runs a process until it is killed or ends.
    pub(crate) fn run(&mut self, plan: &Plan, kill: Kill) -> Result<End, Broken> {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
            .env(TRAFFIC, self.steps.to_string())
            .envs(plan.environment())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut child = Killed(child);
        let lines = lines(child.0.stdout.take().unwrap());
        let errors = lines_of_errors(child.0.stderr.take().unwrap());
        let started = Instant::now();
        let mut deadline = match kill {
            Kill::Started(after) => started + after,
            Kill::Ready(_) | Kill::Never => started + HANGS,
        };
        let mut end = End {
            status: ExitStatus::default(),
            was_ready: false,
            reasons: Vec::new(),
            told: 0,
        };
        let before = self.told.total();
        let mut wrong = None;
        let mut is_late = false;
        loop {
            let line = match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => line,
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    is_late = deadline >= started + HANGS;
                    child.0.kill().unwrap();
                    // What it said before it died still comes.
                    deadline = started + 2 * HANGS;
                    continue;
                }
            };
            if line == "ready" {
                end.was_ready = true;
                if let Kill::Ready(after) = kill {
                    deadline = Instant::now() + after;
                }
            }
            if line.starts_with("stopped") || line.starts_with("refused") {
                end.reasons.push(line.clone());
            }
            if let Err(fault) = self.told.hear(&line) {
                wrong.get_or_insert(fault);
            }
        }
        end.status = child.0.wait().unwrap();
        end.told = self.told.total().saturating_sub(before);
        let errors = errors.join().unwrap();
        let code = end.status.code();
        let known = end.was_killed() || matches!(code, Some(0 | 70 | 71 | REFUSED_TO_START));
        let wrong = wrong.or_else(|| is_late.then(|| "the process hung".to_owned()));
        let wrong = wrong.or_else(|| (!known).then(|| format!("the process ended with {}", end.status)));
        let is_faultless = plan.sync_error_at.is_none() && plan.space_bytes.is_none();
        let wrong = wrong.or_else(|| {
            (is_faultless && !end.reasons.is_empty()).then(|| format!("a node on a good disk: {:?}", end.reasons))
        });
        match wrong {
            Some(what) => Err(self.broken(what, errors)),
            None => Ok(end),
        }
    }

    /// Cuts the power, or only notes that a process ended.
    pub(crate) fn settle(&mut self, plan: &Plan, loss: Loss, seed: u64) -> Result<Settled, Broken> {
        let settled = settle(plan, loss, seed).map_err(|error| self.broken(error.to_string(), String::new()))?;
        let failed = settled.failed_syncs.len();
        self.new_failed_syncs = settled.failed_syncs[self.failed_syncs..].to_vec();
        self.failed_syncs = if loss == Loss::Nothing { failed } else { 0 };
        Ok(settled)
    }

    /// A node does not go on after a sync of what makes its writes durable has failed.
    pub(crate) fn must_have_stopped(&mut self, end: &End) -> Result<(), Broken> {
        // When fjall has created a keyspace, it tidies up the list of them, and only logs if that fails: the list stays as
        // it was. sled does not always tell that it could not write back a range: the state is rebuilt unless the boot is
        // the same, or its files are found as a clean stop left them.
        let matters = |path: &&PathBuf| !path.starts_with("log/keyspaces/0") && !path.starts_with("state");
        let new = std::mem::take(&mut self.new_failed_syncs);
        match new.iter().find(matters) {
            Some(path) if !end.stopped_itself() => Err(self.broken(
                format!("the node went on after a sync of {} had failed", path.display()),
                String::new(),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Removes the state, which is rebuilt from the rest.
    pub(crate) fn lose_state(&self, plan: &Plan) {
        match fs::remove_dir_all(plan.directory.join("state")) {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
        }
    }

    /// Leaves the directory for a person to look at.
    fn broken(&mut self, what: String, errors: String) -> Broken {
        self.directory.disable_cleanup(true);
        let history = history(&self.plan()).unwrap_or_default().join("\n");
        fs::write(self.directory.path().join("history"), history).unwrap();
        Broken {
            what,
            errors,
            directory: self.directory.path().display().to_string(),
        }
    }
}

/// A promise that was not kept.
pub(crate) struct Broken {
    what: String,
    errors: String,
    directory: String,
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\nthe directory is kept: {}\n{}",
            self.what, self.directory, self.errors
        )
    }
}

fn lines(pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = String::new();
        while pipe.read_line(&mut line).is_ok_and(|read| read > 0) {
            // The name of the test may precede the first line, and the last may be cut.
            if let Some((_, text)) = line.strip_suffix('\n').and_then(|line| line.split_once(MARK))
                && sender.send(text.to_owned()).is_err()
            {
                return;
            }
            line.clear();
        }
    });
    receiver
}

fn lines_of_errors(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}
