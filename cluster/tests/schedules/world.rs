//! What is known of a running schedule from outside, and the promises that are checked at every step of it.
//!
//! For each cell there is a line of versions: the states its turns proposed, in order. What is durable must always be one
//! of them, never go back, and never lie before a version that anybody has heard of.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use cluster::{prelude::*, testing::Probe};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::{
    cell::{Cell, ROWS, TOKEN, VERSION},
    plan::{Conduct, Plan, name},
};

/// Lines of the trace that are kept.
const TRACE: usize = 60;

/// What becomes of the account of what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tracing {
    Off,
    /// The end of it is kept.
    Kept,
    /// It is printed at once.
    Live,
}

/// Everything a cell stores.
pub(crate) type Rows = BTreeMap<String, u64>;

/// The world of one schedule, as everybody in it holds it.
pub(crate) type Shared = Arc<Mutex<World>>;

/// The version of its sender that a message or a reply comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) cell: usize,
    pub(crate) version: u64,
    pub(crate) token: u64,
}

struct Version {
    rows: Rows,
    token: u64,
}

/// A cell as seen from outside.
struct Ghost {
    id: ActorId,
    line: Vec<Version>,
    /// The last version that somebody has heard of.
    heard: usize,
    /// The last version that was seen to be durable.
    durable: usize,
    activation: u64,
    epoch: u64,
    /// The activation whose turn runs, and its epoch.
    running: Option<(u64, u64)>,
    refusals: u32,
}

/// A call as seen from outside.
#[derive(Default)]
pub(crate) struct Call {
    parent: Option<u64>,
    /// How often a turn began with it.
    begun: u32,
    /// The caller has gone away.
    left: bool,
    /// The caller was told that nothing happened.
    denied: bool,
    /// Tokens of the versions it proposed.
    proposed: Vec<(usize, u64)>,
}

/// An alarm that was set.
pub(crate) struct Ring {
    pub(crate) conducts: Vec<Conduct>,
    pub(crate) fired: u32,
    failures: u32,
    last: Option<(Timestamp, u32)>,
}

/// How often something occurred.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) acknowledged: u64,
    pub(crate) unknown: u64,
    pub(crate) denied: u64,
    pub(crate) refused: u64,
    pub(crate) turns: u64,
    pub(crate) sends: u64,
    pub(crate) firings: u64,
    pub(crate) activations: u64,
    pub(crate) checks: u64,
}

pub(crate) struct World {
    pub(crate) faulty: bool,
    pub(crate) refuses: bool,
    pub(crate) tight: bool,
    pub(crate) wakes: bool,
    pub(crate) waking: std::time::Duration,
    pub(crate) probe: Option<Probe>,
    pub(crate) tally: Tally,
    ghosts: Vec<Ghost>,
    calls: Vec<Call>,
    pub(crate) rings: HashMap<u64, Ring>,
    /// Panics so far on the way to a send.
    troubles: HashMap<Stamp, u32>,
    /// For each reference, the calls through it in the order in which their turns began.
    streams: Vec<Vec<usize>>,
    next_token: u64,
    next_activation: u64,
    rotation: usize,
    violation: Option<String>,
    pub(crate) tracing: Tracing,
    trace: VecDeque<String>,
    begin: tokio::time::Instant,
}

impl std::hash::Hash for Stamp {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.token.hash(state);
    }
}

impl World {
    pub(crate) fn new(plan: &Plan, tenant: &TenantId, tracing: Tracing) -> Shared {
        let ghosts = (0..plan.cells).map(|cell| Ghost {
            id: ActorId::from_name::<Cell>(tenant, name(cell)),
            line: vec![Version {
                rows: Rows::new(),
                token: 0,
            }],
            heard: 0,
            durable: 0,
            activation: 0,
            epoch: 0,
            running: None,
            refusals: 0,
        });
        Arc::new(Mutex::new(Self {
            faulty: plan.is_faulty(),
            refuses: plan.refuses(),
            tight: plan.is_tight(),
            wakes: plan.wakes,
            waking: plan.waking,
            probe: None,
            tally: Tally::default(),
            ghosts: ghosts.collect(),
            calls: Vec::new(),
            rings: HashMap::new(),
            troubles: HashMap::new(),
            streams: Vec::new(),
            next_token: 0,
            next_activation: 0,
            rotation: 0,
            violation: None,
            tracing,
            trace: VecDeque::new(),
            begin: tokio::time::Instant::now(),
        }))
    }

    /// Says what is wrong; the first thing counts.
    pub(crate) fn violated(&mut self, what: String) {
        self.note(|| format!("VIOLATION {what}"));
        self.violation.get_or_insert(what);
    }

    pub(crate) fn violation(&self) -> Option<String> {
        self.violation.clone()
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let at = self.begin.elapsed().as_millis();
        match self.tracing {
            Tracing::Off => {}
            Tracing::Live => println!("{at:>6} ms  {}", line()),
            Tracing::Kept => {
                if self.trace.len() == TRACE {
                    self.trace.pop_front();
                }
                self.trace.push_back(format!("{at:>6} ms  {}", line()));
            }
        }
    }

    pub(crate) fn trace(&self) -> impl Iterator<Item = &String> {
        self.trace.iter()
    }

    pub(crate) fn id(&self, cell: usize) -> ActorId {
        self.ghosts[cell].id.clone()
    }

    pub(crate) fn cells(&self) -> usize {
        self.ghosts.len()
    }

    pub(crate) fn next_token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    /// Whether an activation under `epoch` can still commit.
    pub(crate) fn is_live(&self, cell: usize, epoch: u64) -> bool {
        let probe = self.probe.as_ref();
        probe.is_some_and(|probe| probe.epoch::<Cell>(&self.ghosts[cell].id) == Some(epoch))
    }

    pub(crate) fn refuse(&mut self, cell: usize, times: u32) {
        if let Some(ghost) = self.ghosts.get_mut(cell) {
            ghost.refusals = times;
        }
    }

    /// Whether an activation is to be refused.
    pub(crate) fn take_refusal(&mut self, cell: usize) -> bool {
        let refusals = &mut self.ghosts[cell].refusals;
        let refuse = *refusals > 0;
        *refusals = refusals.saturating_sub(1);
        refuse
    }

    /// Guarantees 3, 5 and 6: an activation begins with what the one before it left, or, under a new epoch, with a
    /// version that nobody has heard beyond. Returns the number of the activation.
    pub(crate) fn activated(&mut self, cell: usize, epoch: u64, probe: Probe, rows: &Rows) -> u64 {
        if epoch >= self.ghosts[cell].epoch {
            // A node begins to work before its `open` returns.
            self.probe = Some(probe);
        }
        self.tally.activations += 1;
        self.next_activation += 1;
        let activation = self.next_activation;
        if !self.is_live(cell, epoch) {
            self.note(|| format!("{} activates in vain, epoch {epoch}", name(cell)));
            return 0;
        }
        self.note(|| {
            format!(
                "{} activates, epoch {epoch}, version {:?}",
                name(cell),
                rows.get("version")
            )
        });
        let ghost = &mut self.ghosts[cell];
        let version = version(rows);
        let fault;
        if epoch < ghost.epoch {
            fault = Some(format!("activates under epoch {epoch} after {}", ghost.epoch));
        } else if epoch == ghost.epoch && version + 1 != ghost.line.len() {
            fault = Some(format!(
                "begins with version {version} instead of {} without a new epoch",
                ghost.line.len() - 1
            ));
        } else if version < ghost.heard {
            fault = Some(format!(
                "begins with version {version}, but {} was heard of",
                ghost.heard
            ));
        } else if version < ghost.durable {
            fault = Some(format!(
                "begins with version {version}, but {} was durable",
                ghost.durable
            ));
        } else if let Some(known) = ghost.line.get(version) {
            fault = differ(&known.rows, rows);
        } else {
            fault = Some(format!("begins with version {version}, which nobody made"));
        }
        ghost.line.truncate(version + 1);
        ghost.epoch = epoch;
        ghost.activation = activation;
        if let Some(fault) = fault {
            self.violated(format!("{} {fault}", name(cell)));
        }
        activation
    }

    /// Guarantees 3, 4, 6 and 8: a turn overlaps no other, and sees what all turns before it wrote.
    pub(crate) fn begun(&mut self, cell: usize, activation: u64, epoch: u64, rows: &Rows) {
        self.tally.turns += 1;
        let live = self.is_live(cell, epoch);
        let ghost = &mut self.ghosts[cell];
        let mut fault = None;
        if let Some((other, under)) = ghost.running
            && under == epoch
        {
            fault = Some(format!("runs a turn of activation {activation} in that of {other}"));
        }
        ghost.running = Some((activation, epoch));
        if live && activation != ghost.activation {
            fault = Some(format!("runs in activation {activation} beside {}", ghost.activation));
        } else if live && let Some(last) = ghost.line.last() {
            fault = fault.or_else(|| differ(&last.rows, rows));
        }
        if let Some(fault) = fault {
            self.violated(format!("{} {fault}", name(cell)));
        }
    }

    pub(crate) fn ended(&mut self, cell: usize, activation: u64) {
        let running = &mut self.ghosts[cell].running;
        if running.is_some_and(|(other, _)| other == activation) {
            *running = None;
        }
    }

    /// A turn proposes a version.
    pub(crate) fn proposed(&mut self, cell: usize, activation: u64, epoch: u64, call: Option<u64>, rows: &Rows) {
        let live = self.is_live(cell, epoch);
        let ghost = &mut self.ghosts[cell];
        let token = rows["token"];
        let expected = ghost.line.len();
        // What an activation proposes while it is ended may still take effect, as long as no other one has begun.
        if ghost.activation != activation || (!live && version(rows) != expected) {
            return self.note(|| format!("{} writes in vain", name(cell)));
        }
        ghost.line.push(Version {
            rows: rows.clone(),
            token,
        });
        if let Some(call) = call {
            self.calls[index(call)].proposed.push((cell, token));
        }
        if version(rows) != expected {
            self.violated(format!(
                "{} proposes version {} as {expected}",
                name(cell),
                version(rows)
            ));
        }
        self.note(|| format!("{} proposes version {expected}", name(cell)));
    }

    /// Guarantee 7: what leaves an actor comes from a version that is durable, and remains.
    pub(crate) fn heard(&mut self, stamp: Stamp, how: &str) {
        let Stamp { cell, version, token } = stamp;
        let durable = self.durable(cell);
        let ghost = &mut self.ghosts[cell];
        let version = index(version);
        let known = ghost.line.get(version).is_some_and(|known| known.token == token);
        ghost.heard = ghost.heard.max(version);
        if !known {
            self.violated(format!(
                "{how} of {} comes from version {version}, which is lost",
                name(cell)
            ));
        } else if durable.is_some_and(|durable| durable < version) {
            self.violated(format!(
                "{how} of {} left with version {version}, but {durable:?} is durable",
                name(cell)
            ));
        }
    }

    fn durable(&self, cell: usize) -> Option<usize> {
        let probe = self.probe.as_ref()?;
        let id = &self.ghosts[cell].id;
        // A node that has just ended shows nothing.
        probe.epoch::<Cell>(id)?;
        Some(index(
            probe.stored::<Cell, u64>(id, &ROWS.key(VERSION)).unwrap_or_default(),
        ))
    }

    pub(crate) fn call(&mut self, parent: Option<u64>) -> u64 {
        self.tally.calls += 1;
        self.calls.push(Call {
            parent,
            ..Call::default()
        });
        self.calls.len() as u64 - 1
    }

    pub(crate) fn stream(&mut self) -> usize {
        self.streams.push(Vec::new());
        self.streams.len() - 1
    }

    /// Guarantee 13: a call is handled at most once, and not behind the back of its caller.
    pub(crate) fn call_begun(&mut self, call: u64, stream: Option<(usize, usize)>) {
        let known = &mut self.calls[index(call)];
        known.begun += 1;
        let fault = match (known.begun, known.left) {
            (1, false) => None,
            (1, true) => Some("began after its caller had gone"),
            _ => Some("was handled twice"),
        };
        if let Some((stream, number)) = stream {
            self.streams[stream].push(number);
        }
        if let Some(fault) = fault {
            self.violated(format!("call {call} {fault}"));
        }
    }

    pub(crate) fn call_left(&mut self, call: u64) {
        self.calls[index(call)].left = true;
    }

    pub(crate) fn call_denied(&mut self, call: u64) {
        self.calls[index(call)].denied = true;
    }

    /// Guarantee 15: only who waits somewhere up the chain may be refused, and a cycle further down needs a turn first.
    pub(crate) fn call_refused(&mut self, call: u64) {
        if self.calls[index(call)].begun == 0 {
            self.violated(format!("call {call} was refused as a cycle, and is none"));
        }
    }

    pub(crate) fn call_answered(&mut self, call: u64) {
        if self.calls[index(call)].begun != 1 {
            self.violated(format!("call {call} was answered, but not handled"));
        }
    }

    /// Guarantee 6: of the sends from one cell to another, each arrives once, in order.
    pub(crate) fn arrived(&mut self, cell: usize, from: usize, last: u64, number: u64) {
        self.tally.sends += 1;
        if number != last + 1 {
            let (from, to) = (name(from), name(cell));
            self.violated(format!("{to} got send {number} of {from} behind {last}"));
        }
    }

    /// Counts the attempts to take a send.
    pub(crate) fn troubled(&mut self, stamp: Stamp) -> u32 {
        let times = self.troubles.entry(stamp).or_default();
        *times += 1;
        *times
    }

    /// Guarantee 10, as far as a firing shows it. Returns what it has to do.
    pub(crate) fn fired(
        &mut self,
        cell: usize,
        token: Option<u64>,
        scheduled: u64,
        now: Timestamp,
        alarm: Alarm,
    ) -> Conduct {
        self.tally.firings += 1;
        let (faulty, refuses) = (self.faulty, self.refuses);
        let Some(ring) = token.and_then(|token| self.rings.get_mut(&token)) else {
            self.violated(format!("{} fires an alarm that is not set", name(cell)));
            return Conduct::Succeed;
        };
        let conduct = ring
            .conducts
            .get(index(ring.fired.into()))
            .copied()
            .unwrap_or(Conduct::Succeed);
        let mut fault = None;
        if alarm.scheduled.as_millis() != i64::try_from(scheduled).unwrap_or(0) {
            fault = Some(format!("is for {} instead of {scheduled}", alarm.scheduled));
        } else if now < alarm.scheduled {
            fault = Some(format!("is {:?} early", alarm.scheduled.since(now)));
        } else if alarm.retry_count > ring.failures
            || alarm.retry_count > 6
            || alarm.is_retry != (alarm.retry_count > 0)
        {
            fault = Some(format!("says {alarm:?} after {} failures", ring.failures));
        } else if !faulty && !refuses {
            let expected = ring.last.map_or(0, |(_, count)| count + 1);
            if alarm.retry_count != expected {
                fault = Some(format!("says {alarm:?} instead of retry {expected}"));
            } else if let Some((last, count)) = ring.last {
                let apart = now.since(last);
                let pause = std::time::Duration::from_secs(2 << count);
                if apart < pause || apart > pause.mul_f64(1.25) + std::time::Duration::from_secs(5) {
                    fault = Some(format!("repeats after {apart:?} instead of {pause:?}"));
                }
            }
        }
        ring.last = Some((now, alarm.retry_count));
        ring.fired += 1;
        ring.failures += u32::from(matches!(conduct, Conduct::Fail | Conduct::Panic | Conduct::TakeBack(_)));
        if let Some(fault) = fault {
            self.violated(format!("a firing of {} {fault}", name(cell)));
        }
        self.note(|| format!("{} fires {alarm:?}: {conduct:?}", name(cell)));
        conduct
    }

    /// Guarantee 10: what `get_alarm` says outside of the handler.
    pub(crate) fn alarm_seen(&mut self, cell: usize, rows: &Rows, seen: Option<Timestamp>) {
        let Some(token) = rows.get("alarm/token") else {
            if let Some(seen) = seen {
                self.violated(format!("{} has an alarm for {seen} that is not set", name(cell)));
            }
            return;
        };
        let at = Timestamp::from_millis(i64::try_from(rows["alarm/at"]).unwrap_or(0));
        let (fired, failures) = self.rings.get(token).map_or((0, 0), |ring| (ring.fired, ring.failures));
        let right = match seen {
            Some(seen) if fired == 0 => seen == at,
            Some(seen) => seen >= at,
            None => failures > 6,
        };
        if !right {
            self.violated(format!(
                "the alarm of {} is {seen:?} instead of {at}, fired {fired} times",
                name(cell)
            ));
        }
    }

    /// Guarantees 3, 6, 7 and 8, looked at from below: what is durable is a version that was proposed, whole, and never an
    /// earlier one than before.
    pub(crate) fn check(&mut self, thorough: bool) {
        let Some(probe) = self.probe.clone() else { return };
        self.tally.checks += 1;
        self.rotation += 1;
        for cell in 0..self.ghosts.len() {
            let Some(version) = self.durable(cell) else { continue };
            let ghost = &mut self.ghosts[cell];
            let before = ghost.durable;
            ghost.durable = before.max(version);
            let id = &ghost.id;
            let mut fault = None;
            if version < before {
                fault = Some(format!("version {version} is durable after {before}"));
            } else if version < ghost.heard {
                fault = Some(format!(
                    "version {version} is durable, but {} was heard of",
                    ghost.heard
                ));
            } else if thorough || (self.rotation + cell).is_multiple_of(8) {
                let rows = probe.listed::<Cell, u64>(id, &ROWS);
                fault = match ghost.line.get(version) {
                    Some(known) => differ(&known.rows, &rows),
                    None => Some(format!("version {version} is durable, which nobody made")),
                };
            } else {
                let token = probe.stored::<Cell, u64>(id, &ROWS.key(TOKEN)).unwrap_or_default();
                if ghost.line.get(version).is_none_or(|known| known.token != token) {
                    fault = Some(format!("version {version} is durable with a foreign token"));
                }
            }
            if let Some(fault) = fault {
                self.violated(format!("of {} {fault}", name(cell)));
            }
        }
        if (thorough || self.rotation.is_multiple_of(8))
            && let Err(fault) = probe.audit()
        {
            self.violated(fault);
        }
    }

    /// What must hold when everything has come to rest.
    pub(crate) fn conclude(&mut self, dead: usize) {
        let finals: Vec<_> = self
            .ghosts
            .iter()
            .map(|ghost| ghost.line.last().map(|last| &last.rows))
            .collect();
        let mut faults = Vec::new();
        let row = |cell: usize, key: &str| {
            let rows: Option<&Rows> = finals[cell];
            rows.and_then(|rows| rows.get(key)).copied().unwrap_or_default()
        };
        for from in 0..self.ghosts.len() {
            for to in 0..self.ghosts.len() {
                let sent = row(from, &format!("sent/{}", name(to)));
                let taken = row(to, &format!("taken/{}", name(from)));
                if sent != taken {
                    faults.push(format!("{} took {taken} of {sent} sends of {}", name(to), name(from)));
                }
            }
        }
        let unlisted: u64 = (0..self.ghosts.len()).map(|cell| row(cell, "unlisted")).sum();
        if unlisted != dead as u64 {
            faults.push(format!("{dead} dead letters of {unlisted} sends that nobody knows"));
        }
        let kept: BTreeSet<_> = (0..)
            .zip(&self.ghosts)
            .flat_map(|(cell, ghost)| ghost.line.iter().map(move |version| (cell, version.token)))
            .collect();
        for (number, call) in self.calls.iter().enumerate() {
            for proposed in call.proposed.iter().filter(|proposed| kept.contains(proposed)) {
                if let Some(denied) = self.denied(number) {
                    let (cell, _) = proposed;
                    faults.push(format!(
                        "call {denied} was said to have had no effect, but {} wrote for it",
                        name(*cell)
                    ));
                }
            }
        }
        for cell in 0..self.ghosts.len() {
            let token = row(cell, "alarm/token");
            if token != 0 && self.rings.get(&token).is_none_or(|ring| ring.failures < 7) {
                faults.push(format!("the alarm of {} never succeeded", name(cell)));
            }
        }
        for fault in faults {
            self.violated(fault);
        }
    }

    /// The call, among this one and those it was made for, whose caller was told that nothing happened.
    fn denied(&self, call: usize) -> Option<usize> {
        let mut next = Some(call);
        while let Some(call) = next {
            if self.calls[call].denied {
                return Some(call);
            }
            next = self.calls[call].parent.map(index);
        }
        None
    }

    /// Guarantee 13: through one reference, calls arrive in order until one of them errs.
    pub(crate) fn check_order(&mut self, stream: usize, fine: usize) {
        let begun: Vec<_> = self.streams[stream]
            .iter()
            .filter(|number| **number < fine)
            .copied()
            .collect();
        if !begun.is_sorted() {
            self.violated(format!("calls through one reference were handled as {begun:?}"));
        }
    }

    /// Number of cells that have written.
    pub(crate) fn written(&self) -> usize {
        self.ghosts.iter().filter(|ghost| ghost.line.len() > 1).count()
    }
}

fn version(rows: &Rows) -> usize {
    index(rows.get("version").copied().unwrap_or_default())
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("a schedule is small")
}

/// How two states differ.
fn differ(expected: &Rows, found: &Rows) -> Option<String> {
    if expected == found {
        return None;
    }
    let keys: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    let changes: Vec<_> = keys
        .into_iter()
        .filter(|key| expected.get(*key) != found.get(*key))
        .map(|key| format!("{key}: {:?} instead of {:?}", found.get(key), expected.get(key)))
        .collect();
    Some(format!("holds {}", changes.join(", ")))
}

impl Ring {
    pub(crate) fn new(conducts: Vec<Conduct>) -> Self {
        Self {
            conducts,
            fired: 0,
            failures: 0,
            last: None,
        }
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.acknowledged += other.acknowledged;
        self.unknown += other.unknown;
        self.denied += other.denied;
        self.refused += other.refused;
        self.turns += other.turns;
        self.sends += other.sends;
        self.firings += other.firings;
        self.activations += other.activations;
        self.checks += other.checks;
    }
}
