//! Names of the runtime's metrics, and its handles to them. Labels are bounded: class, outcome, bound; never an id or a
//! tenant. A shard is a number below 256, or `meta`: their number is fixed when the cluster is founded.

pub(crate) mod shards;
mod sockets;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

pub(crate) use self::sockets::SocketMetrics;
use crate::vitals::TurnOutcome;

/// Turns handled, by class and outcome (`ok`, `error`, `panic`).
pub const TURNS: &str = "cluster_turns_total";
/// Time that handlers took, by class, in microseconds: divided by [`TURNS`] it is the mean.
pub const TURN_TIME: &str = "cluster_turn_microseconds_total";
/// Turns that took at least [`Bounds::slow_turn`](crate::Bounds::slow_turn), by class.
pub const SLOW_TURNS: &str = "cluster_slow_turns_total";
/// Time to bring an actor into memory, by class, in seconds; its count is that of the activations.
pub const ACTIVATION: &str = "cluster_activation_seconds";
/// Activations put away, by class.
pub const PASSIVATED: &str = "cluster_passivated_total";
/// Activations taken away because the shard lost its owner.
pub const DISCARDED: &str = "cluster_discarded_total";
/// Activations that are live now.
pub const ACTIVATIONS: &str = "cluster_activations";
/// Messages refused at a bound, by bound (`mailbox`, `queue-age`, `backlog`, `activations`).
pub const REJECTED: &str = "cluster_rejected_total";
/// How much later than due alarms fired, by class, in seconds; its count is that of the firings.
pub const ALARM_DELAY: &str = "cluster_alarm_delay_seconds";
/// Alarms given up after their last retry, by class.
pub const ALARMS_ABANDONED: &str = "cluster_alarms_abandoned_total";
/// Batches of turns proposed.
pub const COMMITS: &str = "cluster_commits_total";
/// Size of a turn's batch, in bytes.
pub const BATCH: &str = "cluster_batch_bytes";
/// Batches that went into one log entry.
pub const ENTRY: &str = "cluster_entry_batches";
/// Syncs of the logs; one serves every batch that waited for it.
pub const LOG_SYNCS: &str = "cluster_log_syncs_total";
/// Time to write a round of the log and sync it, in seconds.
pub const LOG_SYNC: &str = "cluster_log_sync_seconds";
/// Log behind the last snapshots of all groups, in bytes.
pub const LOG: &str = "cluster_log_bytes";
/// Time to build a snapshot, in seconds; its count is that of the snapshots.
pub const SNAPSHOT: &str = "cluster_snapshot_seconds";
/// Size of the last snapshots of all groups, in bytes.
pub const SNAPSHOTS: &str = "cluster_snapshots_bytes";
/// Durable sends that wait in the outboxes.
pub const OUTBOX: &str = "cluster_outbox_sends";
/// Durable sends that were given up.
pub const DEAD_LETTERS: &str = "cluster_dead_letters_total";
/// Dead letters dropped at a bound, by bound (`count`, `age`).
pub const DEAD_LETTERS_DROPPED: &str = "cluster_dead_letters_dropped_total";
/// Deleted classes that still have rows, counted once for each shard.
pub const ERASURES: &str = "cluster_erasures";
/// Rows of deleted classes that were removed.
pub const ERASED_ROWS: &str = "cluster_erased_rows_total";
/// Calls to other nodes, by outcome (`answered`, `not-sent`, `overloaded`, `no-answer`).
pub const REQUEST_CALLS: &str = "cluster_request_calls_total";
/// Time of a call to another node that was answered, in seconds.
pub const REQUEST_CALL: &str = "cluster_request_call_seconds";
/// Requests of other nodes, by outcome (`answered`, `overloaded`, `abandoned`, `failed`).
pub const REQUEST_SERVED: &str = "cluster_request_served_total";
/// Answers that came after their call was given up.
pub const REQUEST_LATE_ANSWERS: &str = "cluster_request_late_answers_total";
/// Peers that can be called now.
pub const REQUEST_SESSIONS: &str = "cluster_request_sessions";
/// Sessions with peers that ended, by reason (`closed`, `silent`, `unready`, `replaced`, `removed`, `shutdown`).
pub const REQUEST_SESSIONS_ENDED: &str = "cluster_request_sessions_ended_total";
/// Connections of other nodes that were refused, by reason (`cluster`, `version`, `certificate` and others).
pub const REQUEST_REFUSALS: &str = "cluster_request_refusals_total";
/// Frames between the groups of different nodes, by lane (`heartbeat`, `log`, `snapshot`) and direction (`in`, `out`).
pub const RAFT_FRAMES: &str = "cluster_raft_frames_total";
/// Bytes of such frames, by lane and direction.
pub const RAFT_BYTES: &str = "cluster_raft_bytes_total";
/// Calls to other nodes that wait for their answer, by lane.
pub const RAFT_CALLS: &str = "cluster_raft_calls";
/// Calls to other nodes that were refused at a bound of their connection, by lane.
pub const RAFT_REFUSED_CALLS: &str = "cluster_raft_refused_calls_total";
/// Connections made to other nodes, by lane: beyond the first one to each they are reconnects.
pub const RAFT_CONNECTIONS: &str = "cluster_raft_connections_total";
/// Attempts to connect to other nodes that failed, by lane.
pub const RAFT_DIAL_FAILURES: &str = "cluster_raft_dial_failures_total";
/// Clients that are connected to this node.
pub const SOCKETS: &str = "cluster_sockets";
/// Frames between clients and this node, by direction (`in`, `out`), also those that are answered automatically.
pub const SOCKET_FRAMES: &str = "cluster_socket_frames_total";
/// Connections of clients that ended, by the code with which this node closed them or the client did: one of those of
/// RFC 6455, `3000-3999`, `4000-4999` or `other`.
pub const SOCKET_DISCONNECTS: &str = "cluster_socket_disconnects_total";
/// Times that an actor of this node was told that a socket may lack something.
pub const SOCKET_GAPS: &str = "cluster_socket_gaps_total";

/// Whether this node owns a shard, by shard: 1, or 0.
pub const SHARD_LEADS: &str = "cluster_shard_leads";
/// Term of the last election of a shard that this node knows of, by shard.
pub const SHARD_TERM: &str = "cluster_shard_term";
/// Epoch under which this node owns a shard, by shard; 0 if it does not.
pub const SHARD_EPOCH: &str = "cluster_shard_epoch";
/// Index of the last entry of a shard that is applied on this node, by shard.
pub const SHARD_APPLIED: &str = "cluster_shard_applied_index";
/// Index of the last entry of a shard in the log of this node, by shard.
pub const SHARD_LAST: &str = "cluster_shard_last_index";
/// Entries that the copy lacks which is furthest behind, by shard; 0 where this node does not lead.
pub const SHARD_LAG: &str = "cluster_shard_lag_entries";
/// Times that another node came to lead a shard than the one before, as this node saw it, by shard.
pub const SHARD_MOVES: &str = "cluster_shard_moves_total";

/// A bound that refused a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// The mailbox of the actor is full.
    Mailbox,
    /// The message waited for too long.
    QueueAge,
    /// The disk falls behind.
    Backlog,
    /// No idle actor makes room.
    Activations,
}

impl Rejection {
    const ALL: [Self; 4] = [Self::Mailbox, Self::QueueAge, Self::Backlog, Self::Activations];

    fn label(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::QueueAge => "queue-age",
            Self::Backlog => "backlog",
            Self::Activations => "activations",
        }
    }

    /// What the caller is told.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Mailbox => "the mailbox of the actor is full",
            Self::QueueAge => "the message waited too long for its turn",
            Self::Backlog => "the disk falls behind what is written",
            Self::Activations => "too many actors are busy on this node",
        }
    }
}

/// A bound at which dead letters are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// There are too many.
    Count,
    /// It is too old.
    Age,
}

/// Handles to the metrics of one node.
pub(crate) struct Metrics {
    classes: HashMap<&'static str, Arc<ClassMetrics>>,
    rejected: [Counter; 4],
    commits: Counter,
    batch: Histogram,
    activations: Gauge,
    discarded: Counter,
    dead_letters: Counter,
    dead_letters_surplus: Counter,
    dead_letters_old: Counter,
    erasures: Gauge,
    erased_rows: Counter,
    outbox: Gauge,
    log: Gauge,
    snapshots: Gauge,
}

/// Handles to the metrics of one class.
pub(crate) struct ClassMetrics {
    succeeded: Counter,
    failed: Counter,
    panicked: Counter,
    turn_time: Counter,
    slow_turns: Counter,
    activation: Histogram,
    passivated: Counter,
    alarm_delay: Histogram,
    alarms_abandoned: Counter,
}

impl ClassMetrics {
    fn new(class: &'static str) -> Self {
        Self {
            succeeded: counter!(TURNS, "class" => class, "outcome" => "ok"),
            failed: counter!(TURNS, "class" => class, "outcome" => "error"),
            panicked: counter!(TURNS, "class" => class, "outcome" => "panic"),
            turn_time: counter!(TURN_TIME, "class" => class),
            slow_turns: counter!(SLOW_TURNS, "class" => class),
            activation: histogram!(ACTIVATION, "class" => class),
            passivated: counter!(PASSIVATED, "class" => class),
            alarm_delay: histogram!(ALARM_DELAY, "class" => class),
            alarms_abandoned: counter!(ALARMS_ABANDONED, "class" => class),
        }
    }

    pub(crate) fn turn(&self, outcome: TurnOutcome, duration: Duration) {
        match outcome {
            TurnOutcome::Ok => self.succeeded.increment(1),
            TurnOutcome::Error => self.failed.increment(1),
            TurnOutcome::Panic => self.panicked.increment(1),
            TurnOutcome::Running => debug_assert!(false, "a turn is counted when it has ended"),
        }
        self.turn_time
            .increment(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn slow_turn(&self) {
        self.slow_turns.increment(1);
    }

    pub(crate) fn activated(&self, duration: Duration) {
        self.activation.record(duration);
    }

    pub(crate) fn passivated(&self) {
        self.passivated.increment(1);
    }

    pub(crate) fn alarm_fired(&self, delay: Duration) {
        self.alarm_delay.record(delay);
    }

    pub(crate) fn alarm_abandoned(&self) {
        self.alarms_abandoned.increment(1);
    }
}

impl Metrics {
    pub(crate) fn new(classes: impl Iterator<Item = &'static str>) -> Self {
        describe();
        Self {
            classes: classes
                .map(|class| (class, Arc::new(ClassMetrics::new(class))))
                .collect(),
            rejected: Rejection::ALL.map(|rejection| counter!(REJECTED, "bound" => rejection.label())),
            commits: counter!(COMMITS),
            batch: histogram!(BATCH),
            activations: gauge!(ACTIVATIONS),
            discarded: counter!(DISCARDED),
            dead_letters: counter!(DEAD_LETTERS),
            dead_letters_surplus: counter!(DEAD_LETTERS_DROPPED, "bound" => "count"),
            dead_letters_old: counter!(DEAD_LETTERS_DROPPED, "bound" => "age"),
            erasures: gauge!(ERASURES),
            erased_rows: counter!(ERASED_ROWS),
            outbox: gauge!(OUTBOX),
            log: gauge!(LOG),
            snapshots: gauge!(SNAPSHOTS),
        }
    }

    /// The metrics of a class. One that is not registered has none of its own.
    pub(crate) fn class(&self, class: &str) -> Arc<ClassMetrics> {
        let known = self.classes.get(class).map(Arc::clone);
        known.unwrap_or_else(|| Arc::new(ClassMetrics::new("(unregistered)")))
    }

    pub(crate) fn rejected(&self, rejection: Rejection) {
        for (known, counter) in Rejection::ALL.iter().zip(&self.rejected) {
            if *known == rejection {
                counter.increment(1);
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^52 bytes")]
    pub(crate) fn commit(&self, bytes: usize) {
        self.commits.increment(1);
        self.batch.record(bytes as f64);
    }

    pub(crate) fn live(&self) -> &Gauge {
        &self.activations
    }

    pub(crate) fn erasures(&self) -> &Gauge {
        &self.erasures
    }

    pub(crate) fn erased(&self, rows: usize) {
        self.erased_rows.increment(rows as u64);
    }

    pub(crate) fn discarded(&self) {
        self.discarded.increment(1);
    }

    pub(crate) fn dead_letter(&self) {
        self.dead_letters.increment(1);
    }

    pub(crate) fn dead_letter_dropped(&self, bound: Dropped) {
        match bound {
            Dropped::Count => &self.dead_letters_surplus,
            Dropped::Age => &self.dead_letters_old,
        }
        .increment(1);
    }

    /// Sets the gauges of what is looked at rather than counted.
    #[expect(clippy::cast_precision_loss, reason = "sizes and counts are far below 2^52")]
    pub(crate) fn sampled(&self, outbox: u64, log_bytes: u64, snapshot_bytes: u64) {
        self.outbox.set(outbox as f64);
        self.log.set(log_bytes as f64);
        self.snapshots.set(snapshot_bytes as f64);
    }
}

fn describe() {
    describe_counter!(TURNS, Unit::Count, "Turns handled, by class and outcome");
    describe_counter!(
        TURN_TIME,
        Unit::Microseconds,
        "Time that handlers took, by class; commits are not part of it"
    );
    describe_counter!(
        SLOW_TURNS,
        Unit::Count,
        "Turns beyond the threshold of slow ones, by class"
    );
    describe_histogram!(
        ACTIVATION,
        Unit::Seconds,
        "Time to bring an actor into memory, by class"
    );
    describe_counter!(PASSIVATED, Unit::Count, "Activations put away, by class");
    describe_counter!(
        DISCARDED,
        Unit::Count,
        "Activations taken away because the shard lost its owner"
    );
    describe_gauge!(ACTIVATIONS, Unit::Count, "Activations that are live now");
    describe_counter!(REJECTED, Unit::Count, "Messages refused at a bound, by bound");
    describe_histogram!(
        ALARM_DELAY,
        Unit::Seconds,
        "How much later than due alarms fired, by class"
    );
    describe_counter!(
        ALARMS_ABANDONED,
        Unit::Count,
        "Alarms given up after their last retry, by class"
    );
    describe_counter!(COMMITS, Unit::Count, "Batches of turns proposed");
    describe_histogram!(BATCH, Unit::Bytes, "Size of a turn's batch");
    describe_histogram!(ENTRY, Unit::Count, "Batches that went into one log entry");
    describe_counter!(LOG_SYNCS, Unit::Count, "Syncs of the logs of all groups");
    describe_histogram!(LOG_SYNC, Unit::Seconds, "Time to write a round of the log and sync it");
    describe_gauge!(LOG, Unit::Bytes, "Log behind the last snapshots of all groups");
    describe_histogram!(SNAPSHOT, Unit::Seconds, "Time to build a snapshot");
    describe_gauge!(SNAPSHOTS, Unit::Bytes, "Size of the last snapshots of all groups");
    describe_gauge!(OUTBOX, Unit::Count, "Durable sends that wait in the outboxes");
    describe_counter!(DEAD_LETTERS, Unit::Count, "Durable sends that were given up");
    describe_counter!(DEAD_LETTERS_DROPPED, Unit::Count, "Dead letters dropped at a bound");
    describe_gauge!(
        ERASURES,
        Unit::Count,
        "Deleted classes that still have rows, counted once for each shard"
    );
    describe_counter!(ERASED_ROWS, Unit::Count, "Rows of deleted classes that were removed");
    describe_counter!(REQUEST_CALLS, Unit::Count, "Calls to other nodes, by outcome");
    describe_histogram!(
        REQUEST_CALL,
        Unit::Seconds,
        "Time of a call to another node that was answered"
    );
    describe_counter!(REQUEST_SERVED, Unit::Count, "Requests of other nodes, by outcome");
    describe_counter!(
        REQUEST_LATE_ANSWERS,
        Unit::Count,
        "Answers of other nodes that came after their call was given up"
    );
    describe_gauge!(REQUEST_SESSIONS, Unit::Count, "Peers that can be called now");
    describe_counter!(
        REQUEST_SESSIONS_ENDED,
        Unit::Count,
        "Sessions with peers that ended, by reason"
    );
    describe_counter!(
        REQUEST_REFUSALS,
        Unit::Count,
        "Connections of other nodes that were refused, by reason"
    );
    describe_counter!(
        RAFT_FRAMES,
        Unit::Count,
        "Frames between the groups of different nodes, by lane and direction"
    );
    describe_counter!(
        RAFT_BYTES,
        Unit::Bytes,
        "Bytes between the groups of different nodes, by lane and direction"
    );
    describe_gauge!(
        RAFT_CALLS,
        Unit::Count,
        "Calls to other nodes that wait for their answer, by lane"
    );
    describe_counter!(
        RAFT_REFUSED_CALLS,
        Unit::Count,
        "Calls to other nodes refused at a bound of their connection, by lane"
    );
    describe_counter!(
        RAFT_CONNECTIONS,
        Unit::Count,
        "Connections made to other nodes, by lane"
    );
    describe_counter!(
        RAFT_DIAL_FAILURES,
        Unit::Count,
        "Attempts to connect to other nodes that failed, by lane"
    );
    shards::describe();
    sockets::describe();
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("classes", &self.classes.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ClassMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassMetrics").finish_non_exhaustive()
    }
}
