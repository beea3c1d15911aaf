//! What is known of a running schedule from outside, and the promises that are checked at every step of it.
//!
//! For each cell there is a line of versions: the states its turns proposed, in order. What is durable must always be one
//! of them, never go back, and never lie before a version that anybody has heard of.

mod alarms;
mod books;
mod calls;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use cluster::{prelude::*, testing::Probe};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

pub(crate) use self::alarms::Ring;
use self::calls::Call;
use crate::{
    cell::{Cell, ROWS, VERSION},
    plan::{Plan, name},
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
    /// The last version that somebody had heard of when the turn began.
    pub(crate) floor: u64,
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
    /// The last epoch that was seen to be installed.
    newest: u64,
    /// The node that owned the cell under each epoch.
    owners: BTreeMap<u64, usize>,
    /// The activation whose turn runs, and its epoch.
    running: Option<(u64, u64)>,
    refusals: u32,
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
    /// Whether a message may come late.
    several: bool,
    pub(crate) faulty: bool,
    pub(crate) refuses: bool,
    pub(crate) tight: bool,
    pub(crate) wakes: bool,
    pub(crate) waking: std::time::Duration,
    /// A look behind each node that is running.
    pub(crate) probes: Vec<Option<Probe>>,
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
            newest: 0,
            owners: BTreeMap::new(),
            running: None,
            refusals: 0,
        });
        Arc::new(Mutex::new(Self {
            several: plan.nodes > 1,
            faulty: plan.is_faulty(),
            refuses: plan.refuses(),
            tight: plan.is_tight(),
            wakes: plan.wakes,
            waking: plan.waking,
            probes: vec![None; plan.nodes],
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

    /// The node that owns a cell, as far as any does, and under which epoch.
    fn owner(&mut self, cell: usize) -> Option<(Probe, u64)> {
        let ghost = &mut self.ghosts[cell];
        let probes = self.probes.iter().flatten();
        let epochs = probes.filter_map(|probe| Some((probe, probe.epoch::<Cell>(&ghost.id)?)));
        let (probe, epoch) = epochs.max_by_key(|(_, epoch)| *epoch)?;
        ghost.newest = ghost.newest.max(epoch);
        // One that does not know yet that it was superseded is none.
        (epoch == ghost.newest).then(|| (probe.clone(), epoch))
    }

    /// Whether an activation under `epoch` can still commit.
    pub(crate) fn is_live(&mut self, cell: usize, epoch: u64) -> bool {
        self.owner(cell).is_some_and(|(_, newest)| newest == epoch)
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
        let node = probe.node();
        if epoch >= self.ghosts[cell].epoch
            && let Some(node) = node
        {
            // A node begins to work before its `open` returns.
            self.probes[node] = Some(probe);
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
                "{} activates on node {node:?}, epoch {epoch}, version {:?}",
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

    /// Guarantees 3 and 7: what leaves an actor comes from a version that is durable, and remains, and from none that was
    /// over when its turn began.
    pub(crate) fn heard(&mut self, stamp: Stamp, how: &str) {
        let Stamp {
            cell,
            version,
            token,
            floor,
        } = stamp;
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
        } else if version < index(floor) {
            self.violated(format!(
                "{how} of {} rests on version {version}, but {floor} was heard of before",
                name(cell)
            ));
        }
    }

    /// The last version of a cell that is durable; nothing while nobody owns it.
    fn durable(&mut self, cell: usize) -> Option<usize> {
        let (probe, _) = self.owner(cell)?;
        let stored = probe.stored::<Cell, u64>(&self.ghosts[cell].id, &ROWS.key(VERSION));
        Some(index(stored.unwrap_or_default()))
    }

    /// The last version of a cell that somebody has heard of.
    pub(crate) fn floor(&self, cell: usize) -> u64 {
        self.ghosts[cell].heard as u64
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
